"""Benchmarks: what runs here prints ratios measured in one run, never a bare figure to be trusted later."""
