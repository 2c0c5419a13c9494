"""The value of XAPP_FAILPOINTS, parsed."""

import re
from dataclasses import dataclass
from typing import NamedTuple

from xapp.errors import ConfigError

KEY = "XAPP_FAILPOINTS"
NTH_KEY = "XAPP_FAILPOINTS_NTH"
"""How many processes this one replaces, set by the server for its children: each draws other numbers."""

_EVERYWHERE = frozenset({"kill", "stop", "delay", "error"})
POINTS: dict[str, frozenset[str]] = {
    "inbox": _EVERYWHERE | {"short"},
    "schedule": _EVERYWHERE,
    "decode": _EVERYWHERE,
    "event_socket": _EVERYWHERE | {"short"},
    "parked_copy": _EVERYWHERE,
    "tokenizer": _EVERYWHERE,
    "load": _EVERYWHERE,
    "drain": _EVERYWHERE,
    "registration": _EVERYWHERE,
    "tls_reload": _EVERYWHERE,
    "session": _EVERYWHERE,
    "clock": frozenset({"shift"}),
}
"""Point → the actions that it can take."""

VALUES = {"stop": 2.0, "delay": 0.1, "shift": 0.25}
"""Action with a value → its default, seconds."""
MAX_VALUE_S = 60.0
_ENTRY = re.compile(
    r"(?P<point>\w+)=(?:(?P<percent>\d+(?:\.\d+)?)%)?(?:(?P<count>\d+)\*)?(?P<action>[a-z]+)"
    r"(?:\((?P<value>\d+(?:\.\d+)?)\))?"
)
_SEED = re.compile(r"seed=(\d+)")
_WANTED = "is not POINT=[P%][N*]ACTION[(SECONDS)] or seed=N"


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry: what happens at a point. `probability` is 0 to 1; `count` None is without limit; `value` is
    in seconds.
    """

    point: str
    action: str
    probability: float = 1.0
    count: int | None = None
    value: float = 0.0


class Spec(NamedTuple):
    """All entries."""

    rules: tuple[Rule, ...] = ()
    seed: int = 0


def parse(text: str) -> Spec:
    """Raises ConfigError with the key and the entry."""
    rules, seed = [], 0
    for entry in filter(None, (part.strip() for part in text.split(";"))):
        if found := _SEED.fullmatch(entry):
            seed = int(found[1])
        else:
            rules.append(_rule(entry))
    return Spec(tuple(rules), seed)


def _rule(entry: str) -> Rule:
    found = _ENTRY.fullmatch(entry)
    if found is None:
        raise ConfigError(KEY, f"{entry!r} {_WANTED}")
    point, action = found["point"], found["action"]
    if point not in POINTS:
        raise ConfigError(KEY, f"{entry!r}: no such point, there are {', '.join(POINTS)}")
    if action not in POINTS[point]:
        raise ConfigError(KEY, f"{entry!r}: {point} can {', '.join(sorted(POINTS[point]))}")
    count = None if found["count"] is None else int(found["count"])
    return Rule(
        point, action, _probability(entry, found["percent"]), count, _value(entry, action, found["value"])
    )


def _probability(entry: str, percent: str | None) -> float:
    probability = 1.0 if percent is None else float(percent) / 100
    if probability > 1:
        raise ConfigError(KEY, f"{entry!r}: more than 100 %")
    return probability


def _value(entry: str, action: str, value: str | None) -> float:
    if value is not None and action not in VALUES:
        raise ConfigError(KEY, f"{entry!r}: {action} has no value")
    seconds = VALUES.get(action, 0.0) if value is None else float(value)
    if seconds > MAX_VALUE_S:
        raise ConfigError(KEY, f"{entry!r}: more than {MAX_VALUE_S:g} s")
    return seconds
