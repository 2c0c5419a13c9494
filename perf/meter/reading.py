"""One stretch of a run as the node's meters saw it."""

import msgspec


class Reading(msgspec.Struct, frozen=True):
    """The node over one stretch. None: not measured.

    `cpu_s` is of the server and its workers. `rss_bytes`, `pss_bytes` and `temperature_c` are the
    largest that were sampled; `throttled` is whether any sample said so; `energy_j` is all rails of
    the meter over `wall_s`.
    """

    wall_s: float
    cpu_s: float
    rss_bytes: int
    pss_bytes: int | None = None
    temperature_c: float | None = None
    throttled: bool | None = None
    energy_j: float | None = None
