"""Figures of the node."""
