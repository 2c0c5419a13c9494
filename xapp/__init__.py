"""A language model as an O-RAN xApp.

README.md draws the course of a request through these packages, CONTRIBUTING.md the layers: imports
point downward only, cli → app → server, ric, client → service → engine → backend → models.
"""
