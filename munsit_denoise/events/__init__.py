"""The bell: tells who listens that a job moved. It may lose events, never invents them."""
