"""The bell: tells listeners that a job has changed. It may lose events, but never invents them."""
