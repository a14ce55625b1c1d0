"""All that an installation keeps, in another place: a backup, one that is put back, a move into a cluster."""
