"""Formats of weights: their figures, their picture, and the command on stand-in measurements."""

import math
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner

from perf.cli.bench_quant import quant
from perf.quant import quant_picture
from perf.quant.quant_figures import figures
from perf.record.result_files import read_result
from perf.record.result_schema import Mode
from perf.report.build_report import document
from perf.report.gather_runs import gather
from tests.backend.optimize import stand_in
from xapp.backend.optimize.figures import Loss, Measured
from xapp.backend.optimize.jobs import Speeds


def measured(name: str, speed: float, worse: float = 0.0, right: int = 0) -> Measured:
    rounds = [Speeds(100 * speed * shake, {1: 10 * speed, 4: 30 * speed}, 1000) for shake in (0.9, 1.0, 1.1)]
    loss = Loss(20.0 * (1 + worse), worse, 0.01, 0.9)
    answers = [index < right for index in range(100)] if right else []
    return Measured(name, Path(name), 500, rounds, loss, answers)


def test_the_figures_of_each_format() -> None:
    found = figures([measured("Q8_0 (source)", 1.0, right=70), measured("Q4_0", 2.0, 0.05, 60)])
    by_name = {(each.name, each.group): each for each in found}
    assert by_name["prefill_tokens_per_second", "Q4_0"].value == pytest.approx(200)
    assert by_name["decode_tokens_per_second", "Q4_0/4"].value == 60
    perplexity = by_name["perplexity", "Q4_0"]
    assert (perplexity.value, perplexity.low, perplexity.high) == pytest.approx((21.0, 20.8, 21.2))
    assert by_name["perplexity", "Q8_0 (source)"].low is None
    accuracy = by_name["accuracy", "Q4_0"]
    assert accuracy.low is not None
    assert accuracy.high is not None
    assert accuracy.low < 0.6 < accuracy.high


def test_a_format_that_failed_says_why() -> None:
    lost = measured("Q6_K", 1.0)
    lost.fault = "no memory"
    (figure,) = figures([measured("Q8_0 (source)", 1.0), lost])[-1:]
    assert (figure.value, figure.note) == (None, "not measured: no memory")


def test_one_picture_without_answers_of_several_streams() -> None:
    found = figures([measured("Q8_0 (source)", 1.0, right=70), measured("Q4_0", 2.0, 0.05, 60)])
    drawn = quant_picture.draw("quant", "pi-1, m", found)
    assert ET.fromstring(drawn.svg).tag.endswith("svg")
    assert b"Q4_0/4" not in drawn.svg


def test_the_command_writes_a_result_a_picture_and_a_section(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = stand_in.install(monkeypatch)
    model = tmp_path / "tiny.gguf"
    model.write_bytes(stand_in.SOURCE)
    out = tmp_path / "out" / "r.json"
    arguments = [
        "--model",
        str(model),
        "--format",
        "Q8_0",
        "--format",
        "Q4_0",
        "--rounds",
        "2",
        "--out",
        str(out),
    ]
    done = CliRunner().invoke(quant, arguments)
    assert done.exit_code == 0, done.output
    result = read_result(out)
    assert result.mode is Mode.QUANT
    values = {(each.name, each.group): each.value for each in result.summary}
    assert values["decode_tokens_per_second", "Q4_0"] == 30
    base = values["perplexity", "Q4_1 (source)"]
    assert base is not None
    assert values["perplexity", "Q4_0"] == pytest.approx(base * math.exp(0.2))
    assert ET.parse(out.with_suffix(".svg")).getroot().tag.endswith("svg")
    assert asked.kinds().count("Speed") == 6
    assert "Formats of weights" in [each.title for each in document(gather([out])).sections]
    assert sorted(each.name for each in tmp_path.glob("*.gguf")) == ["tiny.gguf"]
