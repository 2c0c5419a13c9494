"""Admission, text and models: what a request means, between the wire and the engine."""
