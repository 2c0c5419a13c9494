"""Two runs of one mode, figure by figure: what got worse, what better, and what is noise.

The noise of a difference comes from the two figures' 95 % intervals: the interval of the difference
has as half-widths the root of the sum of squares of theirs, each side by itself (Zou and Donner's
MOVER), which for means is nearly Welch's. Because a run has many figures, the intervals are widened
(Bonferroni) until all figures together show a change that is none in at most 5 % of comparisons.
"""

import enum
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import NormalDist
from typing import Any

import msgspec

from perf.machine import Machine
from perf.record.result_schema import Figure, Result, Target

_ERROR = 0.05
_NOT_COMPARED = {"started_at"}


class Verdict(enum.StrEnum):
    """What a figure's change means."""

    WORSE = "worse"
    BETTER = "better"
    NOISE = "within noise"
    DIFFERS = "differs"  # beyond noise, and neither direction is better
    UNJUDGED = "not judged"  # no interval, and no tolerance was given
    GONE = "no longer measured"
    NEW = "newly measured"


JUDGED = frozenset({Verdict.WORSE, Verdict.BETTER, Verdict.NOISE, Verdict.DIFFERS})


class Comparison(msgspec.Struct, frozen=True):
    """One figure of both runs. `change` = (after − before) ÷ |before|, with its widened interval.

    None where a side has no value, or where before is 0; `low` and `high` also without intervals.
    """

    name: str
    group: str
    unit: str
    before: float | None
    after: float | None
    verdict: Verdict
    change: float | None = None
    low: float | None = None
    high: float | None = None
    note: str = ""


class Diff(msgspec.Struct, frozen=True):
    """The outcome. `circumstances` says in what else than their figures the runs differ."""

    comparisons: list[Comparison]
    circumstances: list[str]

    @property
    def counts(self) -> dict[Verdict, int]:
        """How many figures came to each verdict."""
        return dict(Counter(each.verdict for each in self.comparisons))

    @property
    def is_worse(self) -> bool:
        """Whether any figure is."""
        return Verdict.WORSE in self.counts


class NotComparable(Exception):
    """The two results have nothing that can be compared; the message says why."""


def compare(before: Result, after: Result, tolerance: float | None = None) -> Diff:
    """All figures of both. `tolerance` is the relative change that counts as none, 0.05 for 5 %.

    Without one, a figure lacking an interval is not judged. Raises NotComparable when the modes
    differ, when no figure is in both, or when none of those can be judged.
    """
    if before.mode is not after.mode:
        raise NotComparable(f"one is of bench {before.mode}, the other of bench {after.mode}")
    pairs = list(_pairs(before.summary, after.summary))
    widening = _widening(sum(_has_intervals(old, new) for old, new in pairs))
    comparisons = [_compare(old, new, tolerance, widening) for old, new in pairs]
    if not any(each.verdict in JUDGED for each in comparisons):
        raise NotComparable(_why_none(comparisons))
    return Diff(comparisons, list(_circumstances(before, after)))


def _why_none(comparisons: Sequence[Comparison]) -> str:
    if any(each.verdict is Verdict.UNJUDGED for each in comparisons):
        return "no figure has an interval in both: say with --tolerance what change counts"
    return "no figure of the same name and group is measured in both"


_Pair = tuple[Figure | None, Figure | None]


def _pairs(before: Sequence[Figure], after: Sequence[Figure]) -> Iterator[_Pair]:
    """Figures of one name and group, in the order of `before`; what neither measured is left out."""
    old = {(figure.name, figure.group): figure for figure in before if figure.value is not None}
    new = {(figure.name, figure.group): figure for figure in after if figure.value is not None}
    for key in [*old, *(key for key in new if key not in old)]:
        yield old.get(key), new.get(key)


def _has_intervals(old: Figure | None, new: Figure | None) -> bool:
    return all(each is not None and each.low is not None and each.high is not None for each in (old, new))


def _widening(count: int) -> float:
    """By how much 95 % intervals grow so that `count` of them err together as one would."""
    normal = NormalDist()
    return normal.inv_cdf(1 - _ERROR / 2 / max(count, 1)) / normal.inv_cdf(1 - _ERROR / 2)


def _compare(old: Figure | None, new: Figure | None, tolerance: float | None, widening: float) -> Comparison:
    if old is None or new is None:
        return _one_sided(old, new)
    if old.unit != new.unit:
        note = f"the unit was {old.unit!r}, now {new.unit!r}"
        return Comparison(old.name, old.group, new.unit, old.value, new.value, Verdict.UNJUDGED, note=note)
    assert old.value is not None
    assert new.value is not None
    difference = new.value - old.value
    bounds = _bounds(old, new, widening)
    verdict = _verdict(new, difference, abs(old.value), bounds, tolerance)
    low, high = bounds or (None, None)
    change, low, high = (_relative(each, abs(old.value)) for each in (difference, low, high))
    return Comparison(old.name, old.group, new.unit, old.value, new.value, verdict, change, low, high)


def _one_sided(old: Figure | None, new: Figure | None) -> Comparison:
    there = old or new
    assert there is not None
    verdict = Verdict.GONE if new is None else Verdict.NEW
    before, after = (each.value if each else None for each in (old, new))
    return Comparison(there.name, there.group, there.unit, before, after, verdict)


def _relative(value: float | None, scale: float) -> float | None:
    return None if value is None or not scale else value / scale


def _bounds(old: Figure, new: Figure, widening: float) -> tuple[float, float] | None:
    """The interval of after − before, None where a side has none."""
    if old.value is None or old.low is None or old.high is None:
        return None
    if new.value is None or new.low is None or new.high is None:
        return None
    difference = new.value - old.value
    down = math.hypot(new.value - new.low, old.high - old.value)
    up = math.hypot(new.high - new.value, old.value - old.low)
    return difference - widening * down, difference + widening * up


def _verdict(
    new: Figure,
    difference: float,
    scale: float,
    bounds: tuple[float, float] | None,
    tolerance: float | None,
) -> Verdict:
    if bounds is None and tolerance is None and difference:
        return Verdict.UNJUDGED
    if abs(difference) <= (tolerance or 0.0) * scale or (bounds and bounds[0] <= 0 <= bounds[1]):
        return Verdict.NOISE
    if new.higher_is_better is None:
        return Verdict.DIFFERS
    return Verdict.BETTER if (difference > 0) == new.higher_is_better else Verdict.WORSE


def _circumstances(before: Result, after: Result) -> Iterator[str]:
    if before.node != after.node:
        yield f"node: {before.node}, then {after.node}"
    yield from _fields("machine", _facts(before.machine), _facts(after.machine))
    yield from _targets(before.targets, after.targets)
    yield from _fields("option", before.options, after.options)
    yield from _fields("seed", before.seeds, after.seeds)
    for when, result in (("before", before), ("after", after)):
        yield from (f"partial, {when}: {each}" for each in result.missing)


def _facts(machine: Machine) -> dict[str, Any]:
    facts = {
        name: each for name, each in msgspec.structs.asdict(machine).items() if name not in _NOT_COMPARED
    }
    return {**facts, "cpu_flags": " ".join(machine.cpu_flags)}


def _fields(what: str, before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    for key in [*before, *(key for key in after if key not in before)]:
        old, new = before.get(key), after.get(key)
        if old != new:
            yield f"{what} {key}: {_brief(old)}, then {_brief(new)}"


def _targets(before: Sequence[Target], after: Sequence[Target]) -> Iterator[str]:
    old, new = ({target.name: target for target in targets} for targets in (before, after))
    if old.keys() != new.keys():
        yield f"targets: {', '.join(old)}, then {', '.join(new)}"
    for name in [name for name in old if name in new]:
        yield from _fields(f"target {name}", _identity(old[name]), _identity(new[name]))


def _identity(target: Target) -> dict[str, Any]:
    facts: dict[str, Any] = msgspec.to_builtins(target)
    return {name: value for name, value in facts.items() if name not in {"name", "address"}}


def _brief(value: Any) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= 80 else text[:79] + "…"
