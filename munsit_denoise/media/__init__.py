"""Sound out of files and into files, by ffmpeg in a process of its own."""
