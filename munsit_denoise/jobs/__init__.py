"""Denoise jobs: submission, progress, execution and recovery."""
