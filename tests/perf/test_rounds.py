from collections.abc import Iterator

import click
import pytest
from rich.console import Console

from perf import rounds
from perf.child import ChildError
from perf.rounds import Run, rotated
from perf.table import Sample


def quiet() -> Console:
    return Console(quiet=True)


@pytest.mark.usefixtures("own_lock")
def test_two_benchmarks_do_not_run_at_once() -> None:
    with rounds.alone(), pytest.raises(click.ClickException, match="another benchmark"), rounds.alone():
        pass
    with rounds.alone():
        pass


def test_each_contender_is_first_once_in_as_many_rounds() -> None:
    names = ["baseline", "worker", "grpc", "llama"]
    orders = [rotated(names, number) for number in range(4)]
    assert {order[0] for order in orders} == set(names)
    assert all(sorted(order) == sorted(names) for order in orders)


def test_what_was_measured_before_a_contender_ended_is_kept() -> None:
    run = Run(2, quiet())

    def measure(number: int) -> Iterator[Sample]:
        with run.tolerating("a", number):
            yield Sample(number, "a", 1.0)
            if number == 0:
                raise ChildError("it ended with exit status 1")
        yield Sample(number, "b", 2.0)

    run.repeat("row", measure)
    assert [(each.round, each.key) for each in run.samples] == [(0, "a"), (0, "b"), (1, "a"), (1, "b")]
    assert run.missing == ["a, round 1: it ended with exit status 1"]


def test_a_mistake_in_the_benchmark_is_not_tolerated() -> None:
    with pytest.raises(KeyError), Run(1, quiet()).tolerating("a", 0):
        raise KeyError("x")
