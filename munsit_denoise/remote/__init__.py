"""Other people's servers: recordings fetched from a URL, results sent to one, and never an address of this network."""
