"""Training of the mask network; it imports the engine, and the engine never imports it."""
