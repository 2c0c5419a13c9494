"""When requests come: a Poisson process, or a burstier or steadier one.

Gaps are drawn from a gamma distribution of shape `burstiness` and mean 1 / rate, as load generators
commonly do: 1 is Poisson, below it requests come in bursts, above it they come more evenly.
"""

import random
from collections.abc import Iterator
from itertools import islice, takewhile

MAX_ARRIVALS = 100_000


def gaps(rate: float, burstiness: float, seed: int) -> Iterator[float]:
    """Seconds between arrivals, without end. `rate` a second and `burstiness` above 0."""
    draw = random.Random(seed)
    while True:
        yield draw.gammavariate(burstiness, 1.0 / (rate * burstiness))


def times(rate: float, burstiness: float, seed: int) -> Iterator[float]:
    """Arrivals in seconds from the start, without end."""
    now = 0.0
    for gap in gaps(rate, burstiness, seed):
        now += gap
        yield now


def schedule(
    rate: float,
    *,
    seed: int,
    burstiness: float = 1.0,
    duration_s: float | None = None,
    num_requests: int | None = None,
) -> list[float]:
    """The arrivals of a step: so many, or those within `duration_s`; of both what ends first.

    Raises ValueError with neither, or for more than MAX_ARRIVALS.
    """
    if duration_s is None and num_requests is None:
        raise ValueError("a schedule needs a duration or a number of requests")
    until = float("inf") if duration_s is None else duration_s
    most = MAX_ARRIVALS + 1 if num_requests is None else num_requests
    found = list(islice(takewhile(lambda at: at < until, times(rate, burstiness, seed)), most))
    if len(found) > MAX_ARRIVALS:
        raise ValueError(f"more than {MAX_ARRIVALS} arrivals in one step")
    return found
