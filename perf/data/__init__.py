"""Evaluation data: read by path, or by name from the public data set."""
