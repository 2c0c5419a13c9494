"""Collections of documents on the node: parsed, cut, embedded, stored, searched, and put into prompts.

This package imports nothing here: clients import `xapp.retrieval.v1`, the stubs, and nothing else of it.
"""
