"""The benchmark of serving: speed and memory against the bars."""
