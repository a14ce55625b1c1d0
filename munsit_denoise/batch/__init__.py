"""The command `munsit-denoise enhance`: processes files and folders without a server."""
