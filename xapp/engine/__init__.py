"""Continuous batching: the worker process and the client of it. Tokens, no text.

docs/engine.md follows one request through it. The worker's side is worker, engine, scheduler,
step_time, sequence, kv_cache and cells; the server's side is client, link, token_stream,
worker_process, worker_exit, child and supervisor; messages is what the two say to each other.
"""
