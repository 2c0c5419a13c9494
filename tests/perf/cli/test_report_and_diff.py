import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from perf.record import result_schema
from perf.record.result_files import write_result
from tests.perf import results
from xapp.cli import main
from xapp.cli.bench import bench


def invoke(*args: str | Path) -> Result:
    return CliRunner().invoke(main, ["bench", *map(str, args)])


def scaled(result: result_schema.Result, factor: float) -> result_schema.Result:
    """The same run with all figures multiplied."""
    summary = [
        msgspec.structs.replace(
            each, **{end: value * factor for end in ("value", "low", "high") if (value := getattr(each, end))}
        )
        for each in result.summary
    ]
    return msgspec.structs.replace(result, summary=summary)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    write_result(tmp_path / "before.json", results.engine())
    write_result(tmp_path / "after.json", scaled(results.engine(), 0.5))
    write_result(tmp_path / "paper.json", results.paper())
    return tmp_path


def test_diff_exits_0_when_nothing_is_worse(files: Path) -> None:
    found = invoke("diff", files / "before.json", files / "before.json")
    assert (found.exit_code, found.stderr) == (0, "")
    assert found.stdout.endswith("within noise\n")


def test_diff_exits_1_when_something_is_worse(files: Path) -> None:
    found = invoke("diff", files / "before.json", files / "after.json")
    assert found.exit_code == 1
    assert "worse" in found.stdout
    assert "overhead_ratio" in found.stdout
    assert "Not judged: no interval on both sides" in found.stdout


@pytest.mark.parametrize(
    ("after", "message"),
    [("paper.json", "the other of bench paper"), ("none.json", "No such file"), ("bad.json", "not a result")],
)
def test_diff_exits_2_when_it_cannot_compare(files: Path, after: str, message: str) -> None:
    (files / "bad.json").write_text("[")
    found = invoke("diff", files / "before.json", files / after)
    assert found.exit_code == 2
    assert found.stdout == ""
    assert message in found.stderr


def test_diff_as_json(files: Path) -> None:
    found = invoke("diff", files / "before.json", files / "after.json", "--json", "--tolerance", "60")
    assert found.exit_code == 0
    told = json.loads(found.stdout)
    assert told["worse"] is False
    assert set(told["counts"]) == {"within noise"}
    assert told["figures"][0]["change"] == -0.5


def test_report_writes_a_page(files: Path) -> None:
    (files / "bad.json").write_text("[")
    found = invoke("report", files, "--out", files / "out")
    assert found.exit_code == 0
    assert f"written: {files / 'out' / 'report.html'}" in found.stdout
    assert "left out: " in found.stderr
    assert (files / "out" / "report.md").is_file()


def test_report_of_nothing_is_one_line(tmp_path: Path) -> None:
    found = invoke("report", tmp_path)
    assert found.exit_code == 1
    assert found.stderr == f"Error: {tmp_path}: no result file of genai-xapp bench there\n"
    assert not (tmp_path / "report").exists()


def test_the_overview_has_every_mode() -> None:
    found = CliRunner().invoke(bench, ["--help"])
    for name in ("paper", "accuracy", "load", "compare", "engine", "report", "diff"):
        assert f"  {name} " in found.stdout
    assert CliRunner().invoke(bench, ["guess"]).exit_code == 2


def test_a_missing_extra_is_named() -> None:
    code = "import sys; sys.modules['matplotlib'] = None; from xapp.cli import main; "
    code += "main(['bench', 'report', 'x'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip install '.[server,bench]' in the folder" in done.stderr
    assert "no module matplotlib" in done.stderr
