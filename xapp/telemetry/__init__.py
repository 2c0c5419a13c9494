"""Figures of the node for those who watch it."""
