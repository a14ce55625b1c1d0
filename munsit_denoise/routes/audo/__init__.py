"""Audo's dialect, in both of its forms."""
