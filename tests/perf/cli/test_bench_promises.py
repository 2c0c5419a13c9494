from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from perf.bar_table import Sample
from perf.cli.bench_promises import promises
from perf.promises import measure_promises, typed_answer_cost
from perf.promises.promise_lineup import Lineup
from perf.record.result_files import read_result
from perf.round_loop import BarRun, NotMeasured


@pytest.fixture(autouse=True)
def here(own_lock: None) -> None:
    """Its lock is not that of a benchmark."""


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
    result = CliRunner().invoke(promises, arguments)
    assert result.exit_code == 2
    assert message in result.output


def overload(_lineup: Lineup, _run: BarRun, number: int) -> Iterator[Sample]:
    yield Sample(number, "capacity", 2.0)
    if number == 1:
        raise NotMeasured("too few answers")
    yield Sample(number, "with.goodput", 1.0)


def refusal(_lineup: Lineup, _run: BarRun, number: int) -> Iterator[Sample]:
    yield Sample(number, "all.p99", 0.01)


def typed_part(_lineup: Lineup, _run: BarRun, number: int) -> Iterator[Sample]:
    yield Sample(number, "greedy.held", 0.01)


def stopped(_lineup: Lineup, _run: BarRun, _number: int) -> Iterator[Sample]:
    raise KeyboardInterrupt
    yield


def test_a_part_that_fails_costs_nobody_elses_samples(
    monkeypatch: pytest.MonkeyPatch, model: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr(measure_promises, "PARTS", {"overload": overload, "refusal": refusal})
    out = tmp_path / "out.json"
    arguments = ["--only", "overload,refusal", "--rounds", "2", "--model", str(model), "--out", str(out)]
    assert CliRunner().invoke(promises, arguments).exit_code == 1
    report = read_result(out)
    assert [(each["round"], each["key"]) for each in report.samples] == [
        *((0, "capacity"), (0, "with.goodput"), (0, "all.p99")),
        *((1, "capacity"), (1, "all.p99")),
    ]
    assert report.missing == ["overload, round 2: too few answers"]


def test_a_run_that_was_stopped_goes_on_with_the_same_command(
    monkeypatch: pytest.MonkeyPatch, model: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr(measure_promises, "PARTS", {"refusal": refusal, "typed": stopped})
    out = tmp_path / "out.json"
    arguments = ["--only", "refusal,typed", "--rounds", "2", "--model", str(model), "--out", str(out)]
    ended = CliRunner().invoke(promises, arguments)
    assert ended.exit_code == 130
    assert "give the same command again" in ended.stderr
    monkeypatch.setattr(measure_promises, "PARTS", {"refusal": refusal, "typed": typed_part})
    assert CliRunner().invoke(promises, arguments).exit_code == 0
    assert [each["key"] for each in read_result(out).samples] == ["all.p99", "greedy.held"] * 2
    assert out.with_suffix(".md").is_file()


@pytest.mark.slow
def test_a_row_is_measured_on_a_real_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(typed_answer_cost, "TOKENS", 6)
    monkeypatch.setattr(typed_answer_cost, "REPEATS", 1)
    out = tmp_path / "out.json"
    result = CliRunner().invoke(promises, ["--only", "typed", "--rounds", "1", "--out", str(out)])
    assert result.exit_code == 0, result.output
    report = read_result(out)
    assert {each["key"] for each in report.samples} == {
        "greedy.held",
        "greedy.free",
        "drawn.held",
        "drawn.free",
    }
    assert all(each.value is not None for each in report.summary)
    config = report.targets[0].engine_config
    assert config is not None
    assert config.num_slots > 0
