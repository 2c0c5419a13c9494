"""Classes of requests: a priority, its share of the load, and the deadline of each of its requests.

Written `critical:0.1@1s,interactive:0.6@3s,batch:0.3`: PRIORITY:SHARE, and @DEADLINE where it has one.
"""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from perf.data.traces import PRIORITIES

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "": 1.0}
_ITEM = re.compile(r"(\w+):(\d+(?:\.\d+)?)(?:@(\d+(?:\.\d+)?)(ms|s|m|))?")


@dataclass(frozen=True, slots=True)
class Class:
    """`priority` "" is the server's default; `deadline_s` counts from the scheduled arrival."""

    priority: str = ""
    share: float = 1.0
    deadline_s: float | None = None


def parse(text: str) -> tuple[Class, ...]:
    """Raises ValueError that names the item."""
    found = tuple(map(_item, text.split(",")))
    names = [each.priority for each in found]
    if len(set(names)) < len(names):
        raise ValueError(f"{text!r} has a priority twice")
    if not sum(each.share for each in found):
        raise ValueError(f"{text!r}: the shares are all 0")
    return found


def _item(text: str) -> Class:
    match = _ITEM.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no class: write PRIORITY:SHARE or PRIORITY:SHARE@DEADLINE")
    if match[1] not in PRIORITIES:
        raise ValueError(f"{match[1]!r} is no priority: {', '.join(PRIORITIES)}")
    deadline_s = float(match[3]) * _UNITS[match[4]] if match[3] else None
    if deadline_s == 0:
        raise ValueError(f"{text!r}: a deadline is above 0")
    return Class(match[1], float(match[2]), deadline_s)


def draw(classes: Sequence[Class], draw: random.Random) -> Class:
    """One, as often as its share says."""
    return draw.choices(classes, [each.share for each in classes])[0]
