"""What `munsit-denoise enhance` does: files and folders through the pipeline, without a server."""
