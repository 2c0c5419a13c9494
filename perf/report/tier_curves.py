"""How fast each of several users is, by their number: from runs of bench engine and of bench load."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from perf.record.result_schema import Mode
from perf.report.gather_runs import Run

TOO_MUCH = 0.5
"""The next user costs too much where the others lose more than this share of what it gets."""
_CLOSED = re.compile(r"concurrency=(\d+)")
_CLIENT = re.compile(r"client/(\d+)")


@dataclass(frozen=True, slots=True)
class Step:
    """So many users, each with this rate, tokens a second."""

    users: int
    rate: float

    @property
    def together(self) -> float:
        """Of all users."""
        return self.users * self.rate


@dataclass(frozen=True, slots=True)
class Curve:
    """Steps of one run, by number of users, at least two."""

    label: str
    model: str
    steps: Sequence[Step]

    @property
    def costs(self) -> list[float]:
        """For each step but the first: what the others lose for a user that comes ÷ what that user gets."""
        return [cost(before, after) for before, after in zip(self.steps, self.steps[1:], strict=False)]

    @property
    def knee(self) -> Step | None:
        """The step whose next user costs too much; None where no measured one does."""
        return next(
            (step for step, each in zip(self.steps, self.costs, strict=False) if each > TOO_MUCH), None
        )


def cost(before: Step, after: Step) -> float:
    """What the users before lose for each user that comes ÷ what such a user gets.

    Above 1, all together get fewer tokens than before.
    """
    lost = before.users * (before.rate - after.rate) / (after.users - before.users)
    return lost / after.rate


def curves(runs: Sequence[Run]) -> list[Curve]:
    """Of all runs that measured at least two numbers of users."""
    return [curve for curve in map(_curve, runs) if len(curve.steps) > 1]


def _curve(run: Run) -> Curve:
    steps = sorted(_steps(run), key=lambda step: step.users)
    return Curve(f"{run.label}, bench {run.result.mode}", run.result.targets[0].model, steps)


def _steps(run: Run) -> Iterator[Step]:
    if run.result.mode is Mode.ENGINE:
        yield from _of(run, _CLIENT, "decode_tokens_per_second", lambda value, users: value / users)
    if run.result.mode is Mode.LOAD:
        yield from _of(run, _CLOSED, "tpot.p50", lambda value, _: 1 / value)


def _of(run: Run, pattern: re.Pattern[str], name: str, rate: Callable[[float, int], float]) -> Iterator[Step]:
    for group in run.groups(name):
        figure, match = run.figure(name, group), pattern.fullmatch(group)
        if match and figure is not None and figure.value:
            users = int(match[1])
            yield Step(users, rate(figure.value, users))
