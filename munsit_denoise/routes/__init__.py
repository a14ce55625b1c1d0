"""All HTTP: dialects, files, health. Handlers are thin and call `jobs/`."""
