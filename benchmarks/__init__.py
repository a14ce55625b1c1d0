"""Benchmarks; each prints its own figures."""
