"""How long compute threads spin, for every process that computes: a setting of libgomp."""

from collections.abc import MutableMapping

SPIN_COUNT = "10000"
"""Rounds that a compute thread spins at a barrier before it sleeps. libgomp's default of 300,000 is as fast
on an idle node. With the server and its callers on the same cores, the spinning thread blocks the core of
the thread that it waits for: steps of 20 ms took 400 ms and more. With 1,000 rounds such steps took 56 ms,
but a step of the 0.5B model takes 2 % longer on an idle node than with this value."""


def set_spin_count(environ: MutableMapping[str, str]) -> None:
    """Sets the count in the environment of a process, unless its user has set another. libgomp reads it once,
    when it is loaded.
    """
    environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)
