"""`python -m perf.promises`."""

from perf.promises.run import main

main()
