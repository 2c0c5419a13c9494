"""The points of this process: which are armed, and what happens at them."""

import asyncio
import functools
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from xapp.failpoints import faults
from xapp.failpoints.spec import KEY, NTH_KEY, Rule, Spec, parse

Function = TypeVar("Function", bound=Callable[..., Any])
MakeError = Callable[[], BaseException]


class Point:
    """One armed point. Its decisions follow from the seed, the process's role and the number of calls."""

    def __init__(self, name: str, rules: tuple[Rule, ...], seed: str, *, counts: bool) -> None:
        self.name = name
        self._rules = [rule for rule in rules if counts or rule.count is None]
        self._left = {rule: rule.count for rule in self._rules}
        self._random = random.Random(f"{seed}/{name}")  # noqa: S311  a test repeats it

    def draw(self) -> Rule | None:
        """The rule of this call, or None."""
        for rule in self._rules:
            if self._left[rule] == 0 or self._random.random() >= rule.probability:
                continue
            if (left := self._left[rule]) is not None:
                self._left[rule] = left - 1
            faults.tell(self.name, rule)
            return rule
        return None


_armed: dict[str, Point] = {}
_children: Counter[tuple[str, ...]] = Counter()


def is_armed() -> bool:
    """Whether this process has armed points."""
    return bool(_armed)


def arm(environ: Mapping[str, str], role: str) -> None:
    """Reads XAPP_FAILPOINTS, once, at the start of a process. Raises ConfigError with the key.

    A process that replaces another one does not repeat the faults that are counted.
    """
    _armed.clear()
    _children.clear()
    nth = int(environ.get(NTH_KEY) or 0)
    _armed.update(_points(parse(environ.get(KEY, "")), role, nth))
    if (clock := _armed.get("clock")) is not None and (rule := clock.draw()) is not None:
        faults.shift_clock(rule.value, seed=f"{role}/{nth}")


def _points(spec: Spec, role: str, nth: int) -> dict[str, Point]:
    names = dict.fromkeys(rule.point for rule in spec.rules)
    seed = f"{spec.seed}/{role}/{nth}"
    return {
        name: Point(name, tuple(rule for rule in spec.rules if rule.point == name), seed, counts=nth == 0)
        for name in names
    }


def environ_of_child(*command: str) -> dict[str, str]:
    """Variables for a child process: how many processes of this command came before."""
    if not _armed:
        return {}
    nth = _children[command]
    _children[command] += 1
    return {NTH_KEY: str(nth)}


def guard(
    name: str,
    function: Function,
    error: MakeError | None = None,
    short: Callable[..., Any] | None = None,
) -> Function:
    """The function itself, unless the point is armed: then its faults come before each call.

    `error` makes the error of this place. `short` is called instead of the function where it writes or reads
    less than it is asked for.
    """
    if name not in _armed:
        return function

    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        rule = meet(name, error)
        return (short if rule is not None and rule.action == "short" and short else function)(*args, **kwargs)

    return guarded  # type: ignore[return-value]  # the same parameters


def guard_method(name: str, owner: object, method: str, error: MakeError | None = None) -> None:
    """Puts the guard around a method of one object, if the point is armed."""
    if name in _armed:
        setattr(owner, method, guard(name, getattr(owner, method), error))


def meet(name: str, error: MakeError | None = None) -> Rule | None:
    """A fault of this point now, if it is armed. Blocks the thread for a delay. Raises the error."""
    if (point := _armed.get(name)) is None or (rule := point.draw()) is None:
        return None
    if rule.action == "delay":
        time.sleep(rule.value)
    _act(name, rule, error)
    return rule


async def reach(name: str, error: MakeError | None = None) -> None:
    """Like `meet`, for a place on the event loop: a delay delays only this task."""
    if (point := _armed.get(name)) is None or (rule := point.draw()) is None:
        return
    if rule.action == "delay":
        await asyncio.sleep(rule.value)
    _act(name, rule, error)


def _act(name: str, rule: Rule, error: MakeError | None) -> None:
    if rule.action == "kill":
        faults.kill()
    elif rule.action == "stop":
        faults.stop(rule.value)
    elif rule.action == "error":
        raise error() if error is not None else OSError(f"failpoint {name}")
