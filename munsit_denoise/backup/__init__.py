"""Backup, restore, and the move of an installation into a cluster."""
