"""Result files: what a benchmark leaves behind, with all that is needed to trust it."""
