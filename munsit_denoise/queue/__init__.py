"""Decides which job runs next."""
