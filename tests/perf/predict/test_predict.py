"""Predictions: the tables are sound, the public figures are met, and each choice follows from the rates."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from perf.cli.bench_predict import predict as command
from perf.predict.catalogue_shapes import catalogue_shapes, kernels_of
from perf.predict.check import DECODE_BAR, PREFILL_BAR, Checked, check
from perf.predict.prediction import decode_with, predict
from perf.predict.shape import Shape, shape_of
from perf.predict.speeds import Rate, Speeds, rate_of, speeds_of
from perf.predict.tables import PublicFigure, boards, embeddings, public_figures
from tests.perf import results
from xapp.models.catalogue import catalogue

PI5 = boards()["pi5"]
FLAT = Speeds(
    Rate(10e9, 9e9, 11e9, 5), {"rows": Rate(30e9, 25e9, 35e9, 5), "fast": Rate(90e9, 80e9, 99e9, 1)}
)


@pytest.fixture(scope="module")
def checked() -> list[Checked]:
    return check("pi5")


def test_every_figure_has_its_source_and_a_known_board() -> None:
    assert all(each.source and each.board in boards() for each in public_figures())
    assert all(len(each.compute) == len(each.decode_bandwidth) == each.threads for each in boards().values())


def test_decode_is_within_15_percent_of_each_public_figure(checked: list[Checked]) -> None:
    found = [each for each in checked if each.phase == "decode"]
    assert len(found) >= 15
    assert [each.figure.model for each in found if not each.kept] == ["olmoe-1b-7b"]
    assert DECODE_BAR == 0.15


def test_prefill_is_within_25_percent_of_each_public_figure(checked: list[Checked]) -> None:
    found = [each for each in checked if each.phase == "prefill" and each.kept is not None]
    assert len(found) >= 12
    assert [each.figure.model for each in found if not each.kept] == ["internlm2.5-7b", "olmoe-1b-7b"]
    assert PREFILL_BAR == 0.25


def test_each_deviation_is_named(checked: list[Checked]) -> None:
    assert all(each.is_named for each in checked if each.kept is False)


def test_a_figure_is_never_predicted_from_itself() -> None:
    only = [each for each in public_figures() if each.board == "pi4" and each.prefill is not None]
    (alone,) = (each for each in check("pi4") if each.phase == "prefill")
    assert len(only) == 1
    assert alone.predicted is None


def test_a_pi_5_decodes_with_two_threads_and_prefills_with_four() -> None:
    shape = next(each for each in public_figures() if each.model == "qwen2.5-0.5b").shape
    found = predict(shape, "repacked-4", PI5, speeds_of(PI5, public_figures()))
    assert (found.decode_threads, found.prefill_threads) == (2, 4)
    rates = {
        n: decode_with(n, shape, "repacked-4", PI5, speeds_of(PI5, public_figures())).value for n in (1, 2, 3)
    }
    for threads, public in ((1, 32.4), (2, 33.8), (3, 29.4)):
        assert rates[threads] == pytest.approx(public, rel=DECODE_BAR)


def test_where_computing_is_slow_more_threads_decode() -> None:
    heavy = Shape(read_bytes=1e9, prefill_params=4e9)
    assert predict(heavy, "rows", PI5, FLAT).decode_threads == 4
    assert predict(heavy, "fast", PI5, FLAT).decode_threads == 2
    assert predict(heavy, "unknown", PI5, FLAT).prefill == predict(heavy, "rows", PI5, FLAT).prefill


def test_what_the_server_costs_is_taken_off() -> None:
    shape = Shape(1e9, 1e9)
    alone, served = (predict(shape, "fast", PI5, FLAT, overhead) for overhead in (1.0, 0.9))
    assert served.decode.value == pytest.approx(0.9 * alone.decode.value)


def test_an_untied_table_is_not_read_and_experts_count_by_use() -> None:
    tied = shape_of(1e9, (100_000, 1000, True), bits=8.0, file_bytes=1e9)
    untied = shape_of(1e9, (100_000, 1000, False), bits=8.0, file_bytes=1e9)
    experts = shape_of(7e9, (100_000, 1000, True), bits=8.0, file_bytes=7e9, active=1e9)
    assert (tied.read_bytes, tied.prefill_params) == (1e9, 0.9e9)
    assert (untied.read_bytes, untied.prefill_params) == (0.9e9, 0.8e9)
    assert experts == tied


@given(st.lists(st.floats(1e-3, 1e12), min_size=1, max_size=20))
def test_a_rate_lies_within_its_interval(values: list[float]) -> None:
    rate = rate_of(values)
    assert 0 < rate.low < rate.value < rate.high
    assert min(values) * 0.999 <= rate.value <= max(values) * 1.001


def test_every_model_of_the_catalogue_that_generates_has_a_prediction(tmp_path: Path) -> None:
    found = {each.name: each for each in catalogue_shapes(tmp_path)}
    missing = {
        entry.name for entry in catalogue().values() if entry.kind in {"chat", "completion"}
    } - found.keys()
    assert not missing
    assert embeddings().keys() <= found.keys()
    assert all(0 < each.shape.prefill_params <= 2e10 and each.shape.read_bytes > 0 for each in found.values())
    assert not any(each.exact for each in found.values())


@pytest.mark.parametrize(
    ("file", "kernels"),
    [
        ("x-Q4_K_M.gguf", "repacked-k"),
        ("x.Q4_0.gguf", "repacked-4"),
        ("x.Q4_1.gguf", "rows"),
        ("q8_0", "rows"),
    ],
)
def test_the_kernels_follow_from_the_format(file: str, kernels: str) -> None:
    assert kernels_of(file) == kernels


# ---- the command


def test_the_command_predicts_and_leaves_out_what_does_not_fit() -> None:
    done = CliRunner().invoke(command, ["--board", "pi5", "--board", "pi4", "--memory", "1"])
    assert done.exit_code == 0, done.output
    assert "Raspberry Pi 5" in done.output
    assert "smollm2-135m-q4_1" in done.output
    assert "llama-3-8b" not in done.output


def test_the_check_has_every_figure_and_succeeds() -> None:
    done = CliRunner().invoke(command, ["--check", "--json"])
    assert done.exit_code == 0, done.output
    assert done.output.count('"source"') == len(check("pi5"))


def test_a_figure_outside_that_nobody_explains_fails_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = PublicFigure("pi5", "odd", "Q8_0", "rows", 1.0, 1000, 1000, 8.5, "nowhere", decode=100.0)
    outside = Checked(wrong, "decode", 100.0, 10.0)
    monkeypatch.setattr("perf.cli.bench_predict.check", lambda _: [outside])
    done = CliRunner().invoke(command, ["--check"])
    assert done.exit_code == 1
    assert "OUTSIDE THE BAR" in done.output


def test_a_result_without_the_overhead_is_refused(tmp_path: Path) -> None:
    from perf.record.result_files import write_result  # noqa: PLC0415

    write_result(tmp_path / "r.json", results.paper())
    done = CliRunner().invoke(command, ["--engine", str(tmp_path / "r.json")])
    assert done.exit_code == 1
    assert "overhead_ratio of client/1" in done.output


def test_an_unknown_model_is_named() -> None:
    done = CliRunner().invoke(command, ["--model", "nope"])
    assert done.exit_code == 2
    assert "nope" in done.output
