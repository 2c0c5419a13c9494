"""Exit codes that several commands have."""

EXIT_CONFIG = 2
"""A setting is wrong: the same command ends in the same way until somebody changes it."""
