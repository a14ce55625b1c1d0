"""Stores recordings and results by opaque key."""
