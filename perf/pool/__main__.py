"""`python -m perf.pool [--only PARTS] [--seconds S]` prints figures, one a line."""

from perf.pool.run import main

main()
