"""Backends: llama.cpp, or a fake for tests. Only this package imports llama_cpp.

`base` is the interface. A backend knows tokens and sequence ids, neither requests nor text. `vocab` alone
turns text into tokens, for the server's side.
"""
