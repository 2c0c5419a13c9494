"""Tasks: named, versioned questions whose answers have a fixed shape, from YAML files.

This package reads them. It renders no template and asks no model: it is given functions for that.
"""
