"""The commands besides `serve`, `worker` and `enhance`, one module for each group."""
