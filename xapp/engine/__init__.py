"""Continuous batching: the worker process and the client of it. Tokens, no text."""
