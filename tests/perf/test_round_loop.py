from collections.abc import Iterator
from functools import partial
from pathlib import Path

import click
import pytest

from perf import round_loop
from perf.bar_table import Sample, values
from perf.json_child import ChildError
from perf.record.journal import Journal
from perf.round_loop import BarRun, RoundLoop
from xapp.rotation import rotated


@pytest.mark.usefixtures("own_lock")
def test_two_benchmarks_do_not_run_at_once() -> None:
    with (
        round_loop.alone(),
        pytest.raises(click.ClickException, match="another benchmark"),
        round_loop.alone(),
    ):
        pass
    with round_loop.alone():
        pass


def test_each_contender_is_first_once_in_as_many_rounds() -> None:
    names = ["baseline", "worker", "grpc", "llama"]
    orders = [rotated(names, number) for number in range(4)]
    assert {order[0] for order in orders} == set(names)
    assert all(sorted(order) == sorted(names) for order in orders)


def bar_run(journal: Journal, num_rounds: int = 2) -> BarRun:
    return BarRun(num_rounds, journal, lambda what: None)


def journal(folder: Path) -> Journal:
    return Journal.open(folder / "r.json", fingerprint={})


def test_what_was_measured_before_a_contender_ended_is_kept(tmp_path: Path) -> None:
    with journal(tmp_path) as kept:
        run = bar_run(kept)

        def measure(number: int) -> Iterator[Sample]:
            with run.tolerating("a", number):
                yield Sample(number, "a", 1.0)
                if number == 0:
                    raise ChildError("it ended with exit status 1")
            yield Sample(number, "b", 2.0)

        run.repeat("row", measure)
    assert [(each.round, each.key) for each in run.samples] == [(0, "a"), (0, "b"), (1, "a"), (1, "b")]
    assert run.missing == ["a, round 1: it ended with exit status 1"]
    assert len(run.noise) == 2


def test_a_mistake_in_the_benchmark_is_not_tolerated(tmp_path: Path) -> None:
    with journal(tmp_path) as kept, pytest.raises(KeyError), bar_run(kept).tolerating("a", 0):
        raise KeyError("x")


def test_a_run_goes_on_with_the_parts_that_are_not_whole(tmp_path: Path) -> None:
    measured: list[tuple[str, int]] = []

    def measure(part: str, number: int) -> Iterator[Sample]:
        measured.append((part, number))
        yield Sample(number, part, 1.0)
        if len(measured) == 3:
            raise KeyboardInterrupt

    parts = {part: partial(measure, part) for part in ("one", "two")}
    with journal(tmp_path) as kept, pytest.raises(KeyboardInterrupt):
        bar_run(kept).all(parts)
    with journal(tmp_path) as kept:
        run = bar_run(kept)
        run.once("alone", partial(measure, "alone"))
        run.all(parts)
    assert measured[3:] == [("alone", 0), ("one", 1), ("two", 1)]
    assert values(run.samples, "one") == {0: 1.0, 1: 1.0}


def test_only_rounds_of_which_something_is_left_are_played(tmp_path: Path) -> None:
    with journal(tmp_path) as kept:
        loop: RoundLoop[Sample] = RoundLoop(3, kept, Sample)
        assert list(loop.rounds(lambda number: number != 1)) == [0, 2]
        loop.keep(Sample(0, "a", 1.0))
    assert len(loop.noise) == 2
    with journal(tmp_path) as kept:
        assert RoundLoop(3, kept, Sample).samples == [Sample(0, "a", 1.0)]
