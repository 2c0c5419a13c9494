"""Where a request is answered: what its caller asks for, and who answered it."""

from dataclasses import dataclass
from enum import Enum

MAX_HOPS = 1
"""A request that another node sent on is answered where it arrives: two nodes cannot send it in circles."""


class RoutingMode(Enum):
    """Who is to answer: this node, its upstream, or whichever suits the request."""

    LOCAL = "local"
    UPSTREAM = "upstream"
    AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Routing:
    """`threshold`, 0 to 1: requests of a greater difficulty go to the upstream. None: the node's own."""

    mode: RoutingMode
    threshold: float | None = None


class RoutingReason(Enum):
    """Why this node, or its upstream, answered."""

    REQUESTED = "requested"
    EASY = "easy"
    HARD = "hard"
    NO_UPSTREAM = "no_upstream"
    DEADLINE = "deadline"
    LINK_DOWN = "link_down"
    UPSTREAM_FAILED = "upstream_failed"
    UPSTREAM_FULL = "upstream_full"
    UNSUPPORTED = "unsupported"
    DETERMINISTIC = "deterministic"
    FORWARDED = "forwarded"
    NO_SIGNAL = "no_signal"


@dataclass(frozen=True, slots=True)
class Routed:
    """Who answered, and why. `difficulty` and `threshold` are None where none was looked at.

    `decision_s`: seconds until the choice was made. `detail` is for people.
    """

    by_upstream: bool
    reason: RoutingReason
    difficulty: float | None = None
    threshold: float | None = None
    decision_s: float = 0.0
    detail: str = ""
