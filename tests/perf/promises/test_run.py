from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from perf.promises import run as promises
from perf.promises import typed
from perf.promises.field import Field
from perf.rounds import NotMeasured, Run
from perf.table import Sample, read


@pytest.fixture(autouse=True)
def here(own_lock: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lock is not that of a benchmark, and signals stay as they are."""
    monkeypatch.setattr(promises, "clean_up_on_sigterm", lambda: None)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A file that nobody loads."""
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF")
    return path


@pytest.mark.parametrize(
    ("arguments", "message"), [(["--only", "speed"], "not one of overload"), (["--rounds", "0"], "0")]
)
def test_a_wrong_option_is_named(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(promises.main, arguments)
    assert result.exit_code == 2
    assert message in result.output


def overload(_field: Field, _run: Run, number: int) -> Iterator[Sample]:
    yield Sample(number, "capacity", 2.0)
    if number == 1:
        raise NotMeasured("too few answers")
    yield Sample(number, "with.goodput", 1.0)


def refusal(_field: Field, _run: Run, number: int) -> Iterator[Sample]:
    yield Sample(number, "all.p99", 0.01)


def stopped(_field: Field, _run: Run, _number: int) -> Iterator[Sample]:
    raise KeyboardInterrupt
    yield


def test_a_part_that_fails_costs_nobody_elses_samples(
    monkeypatch: pytest.MonkeyPatch, model: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr(promises, "PARTS", {"overload": overload, "refusal": refusal})
    out = tmp_path / "out.json"
    arguments = ["--only", "overload,refusal", "--rounds", "2", "--model", str(model), "--out", str(out)]
    assert CliRunner().invoke(promises.main, arguments).exit_code == 1
    report = read(out)
    assert [(each.round, each.key) for each in report.samples] == [
        *((0, "capacity"), (0, "with.goodput"), (0, "all.p99")),
        *((1, "capacity"), (1, "all.p99")),
    ]
    assert report.missing == ["overload, round 2: too few answers"]


def test_what_was_measured_before_it_was_stopped_is_written(
    monkeypatch: pytest.MonkeyPatch, model: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr(promises, "PARTS", {"refusal": refusal, "typed": stopped})
    out = tmp_path / "out.json"
    arguments = ["--only", "refusal,typed", "--rounds", "2", "--model", str(model), "--out", str(out)]
    assert CliRunner().invoke(promises.main, arguments).exit_code == 1
    assert [each.key for each in read(out).samples] == ["all.p99"]
    assert "told to stop" in read(out).missing[0]


@pytest.mark.slow
def test_a_row_is_measured_on_a_real_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(typed, "TOKENS", 6)
    monkeypatch.setattr(typed, "REPEATS", 1)
    out = tmp_path / "out.json"
    result = CliRunner().invoke(promises.main, ["--only", "typed", "--rounds", "1", "--out", str(out)])
    assert result.exit_code == 0, result.output
    report = read(out)
    assert {each.key for each in report.samples} == {"greedy.held", "greedy.free", "drawn.held", "drawn.free"}
    assert all(each.summary is not None for each in report.rows)
    assert report.shape is not None
    assert report.shape.num_slots > 0
