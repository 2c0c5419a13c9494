"""`python -m perf.serving`."""

from perf.serving.run import main

main()
