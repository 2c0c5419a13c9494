from pathlib import Path

import pytest
from click.testing import CliRunner

from perf.callers import prompt_texts
from perf.cli.bench_engine import engine
from perf.engine import memory_bandwidth
from perf.record.result_files import read_result


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--streams", "a"], "not a list of numbers"),
        (["--streams", ""], "nothing to do"),
        (["--rounds", "0"], "0"),
    ],
)
def test_a_wrong_option_is_named(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(engine, arguments)
    assert result.exit_code == 2
    assert message in result.output


@pytest.mark.slow
@pytest.mark.usefixtures("own_lock")
def test_a_short_run(shallow_model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_bandwidth, "MAX_BYTES", 64 * 2**20)
    monkeypatch.setattr(prompt_texts, "_NEW_TOKENS", {1: 32})
    out = tmp_path / "r.json"
    arguments = ["--model", str(shallow_model_path), "--streams", "1", "--rounds", "1", "--out", str(out)]
    result = CliRunner().invoke(engine, arguments)
    assert result.exit_code == 0, result.output
    found = read_result(out)
    figures = {(each.name, each.group): each.value for each in found.summary}
    share = figures["bandwidth_share", "bare/1"]
    assert share is not None
    assert 0 < share < 1.5  # caches may help, orders of magnitude may not
    assert figures["overhead_ratio", "worker/1"]
    assert {each["kind"] for each in found.samples} == {"engine-steps", "engine-bandwidth", "engine-bytes"}
