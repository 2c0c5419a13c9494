"""Continuous batching: the inside of a worker process. It knows tokens and no text.

docs/engine.md follows one request through it. The server's side is `xapp/workers/`, the messages between
both sides are `xapp/domain/messages.py`.
"""
