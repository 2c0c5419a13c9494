"""The benchmark of serving: speed and memory against the bars, `python -m perf.serving`."""
