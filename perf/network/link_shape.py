"""What the network is to be like, and how a user writes it."""

import re

import msgspec

_TIMES = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
_RATES = {"bit": 1.0, "kbit": 1e3, "mbit": 1e6, "gbit": 1e9}
_NUMBER = re.compile(r"^(\d+(?:\.\d+)?)\s*([a-z%]*)$")
MAX_RTT_S = 10.0
MIN_RATE = 1e3


class Shape(msgspec.Struct, frozen=True):
    """Both directions alike: half of `rtt_s` each way, `rate` in bits a second, None: not limited.

    `loss` is the share of packets lost, each way.
    """

    rtt_s: float = 0.0
    rate: float | None = None
    loss: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.rtt_s or self.rate or self.loss)

    def __str__(self) -> str:
        rate = "unlimited" if self.rate is None else f"{self.rate / 1e6:g} Mbit/s"
        return f"round trip {self.rtt_s * 1e3:g} ms, {rate}, loss {self.loss:.3g} each way"


def parse_time(text: str) -> float:
    """Seconds of `50ms`, `0.05s`. Raises ValueError with the form."""
    seconds = _parse(text, _TIMES, "a time such as 50ms")
    if seconds > MAX_RTT_S:
        raise ValueError(f"{text!r} is more than {MAX_RTT_S:g}s")
    return seconds


def parse_rate(text: str) -> float:
    """Bits a second of `10mbit`, `500kbit`. Raises ValueError with the form."""
    rate = _parse(text, _RATES, "a rate such as 10mbit")
    if rate < MIN_RATE:
        raise ValueError(f"{text!r} is less than 1kbit")
    return rate


def parse_loss(text: str) -> float:
    """A share of `0`, `1%`, `0.01`. Raises ValueError with the form."""
    share = _parse(text, {"": 1.0, "%": 0.01}, "a share such as 1%")
    if share > 0.5:
        raise ValueError(f"{text!r}: more than half of the packets lost is no network to measure")
    return share


def _parse(text: str, units: dict[str, float], form: str) -> float:
    match = _NUMBER.match(text.strip().lower())
    if match is None or (match[2] not in units and float(match[1]) != 0):
        raise ValueError(f"{text!r} is not {form}")
    return float(match[1]) * units.get(match[2], 1.0)
