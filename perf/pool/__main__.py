"""`python -m perf.pool`."""

from perf.pool.run import main

main()
