"""Munsit's dialect, at /api/v1."""
