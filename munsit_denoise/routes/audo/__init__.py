"""Audo's dialect: both forms of it, over the same jobs."""
