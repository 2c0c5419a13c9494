"""`[power]`: the meters of this node, and how much it may take."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

_Watts = Annotated[float, Meta(gt=0, le=1e5)]
_Joules = Annotated[float, Meta(gt=0, le=1e9)]
_Celsius = Annotated[float, Meta(gt=0, le=150)]


class PowerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`meter` is the kind of meter, `sensor` names one of several INA2xx. None: no budget, and the board's
    own limit of temperature.

    `sys` is the folder with the kernel's files, `vcgencmd` the program ("" where it usually is).
    """

    meter: Literal["auto", "off", "ina", "pmic", "rapl"] = "auto"
    sensor: str = ""
    budget_w: _Watts | None = None
    budget_j_per_hour: _Joules | None = None
    throttle_celsius: _Celsius | None = None
    sys: str = "/sys"
    vcgencmd: str = ""
