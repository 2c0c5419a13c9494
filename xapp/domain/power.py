"""Energy and heat, as the meters of a node tell them. None: the node has no such meter."""

from dataclasses import dataclass

NEVER_S = float("inf")


@dataclass(frozen=True, slots=True)
class Energy:
    """Joules. `above_idle_j` leaves out what the node takes while it computes nothing; None until that is
    known.
    """

    gross_j: float
    above_idle_j: float | None = None


@dataclass(frozen=True, slots=True)
class HeatOutlook:
    """`throttles_in_s`: expected seconds until the board lowers its clock, under the load of the last
    minutes.
    """

    throttled: bool = False
    throttles_in_s: float = NEVER_S


@dataclass(frozen=True, slots=True)
class PowerState:
    """The meters now. `joules` since the start; `idle_watts` as measured while nothing was computed.

    `meter` names the meter, `fault` is the reason for a missing figure.
    """

    joules: float | None = None
    watts: float | None = None
    idle_watts: float | None = None
    celsius: float | None = None
    throttled: bool | None = None
    heat: HeatOutlook = HeatOutlook()
    meter: str = ""
    fault: str = ""
