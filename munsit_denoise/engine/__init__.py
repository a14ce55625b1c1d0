"""Denoising models, their windows and their weights. Opens no recordings and runs no event loop."""
