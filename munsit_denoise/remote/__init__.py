"""Requests to other servers: downloads, uploads and webhooks, never to addresses of the private network."""
