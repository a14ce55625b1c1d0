"""The only HTTP: dialects, files, health. Thin; what a job is, `jobs/` knows."""
