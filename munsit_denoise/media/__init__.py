"""Reads and writes sound and video files with ffmpeg, which runs as a separate process."""
