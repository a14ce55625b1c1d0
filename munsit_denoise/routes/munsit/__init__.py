"""The Munsit dialect, below /api/v1."""
