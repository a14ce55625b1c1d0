"""Recordings and results by opaque key."""
