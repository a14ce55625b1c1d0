"""Training of the mask network: imports the engine, and is never imported by it."""
