"""The limit on committed results, and the packed files that readers must still read."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from perf.bar_table import markdown
from perf.record.result_files import PACKED, RecordError, read_result, write_result
from perf.record.result_schema import Mode
from perf.report.gather_runs import gather
from scripts.pack_results import main as pack
from scripts.result_sizes import LIMIT, faults
from tests.perf import results
from xapp.cli import main

COMMITTED = Path("perf/results")


def test_what_fits_has_no_fault() -> None:
    assert not list(faults({"perf/results/a.json.xz": LIMIT}))


def test_too_much_is_named_with_the_largest_files() -> None:
    (fault,) = faults({"perf/results/a.json": LIMIT, "perf/results/b.md": 1000})
    assert "301 kB, at most 300 kB may be committed; the largest: perf/results/a.json 300 kB" in fault


def test_html_is_a_fault_however_small() -> None:
    (fault,) = faults({"perf/results/report.html": 1})
    assert "no HTML is committed" in fault


@pytest.mark.parametrize("file", sorted(COMMITTED.rglob(f"*.json{PACKED}")), ids=lambda file: file.name)
def test_every_committed_result_is_read(file: Path) -> None:
    result = read_result(file)
    assert result.summary
    if result.mode in (Mode.SERVING, Mode.PROMISES):
        table = file.with_name(file.name.removesuffix(f".json{PACKED}") + ".md")
        assert table.read_text() == markdown(result)


def test_the_committed_files_of_a_node_are_reported_and_compared(tmp_path: Path) -> None:
    folder = COMMITTED / "epyc-2-cores"
    told = CliRunner().invoke(main, ["bench", "report", str(folder), "--text", "--out", str(tmp_path)])
    assert (told.exit_code, told.stderr) == (0, "")
    assert (tmp_path / "report.md").read_text() == (folder / "report" / "report.md").read_text()
    file = str(folder / "engine.json.xz")
    assert CliRunner().invoke(main, ["bench", "diff", file, file]).exit_code == 0


def test_packing_keeps_all_or_the_figures(tmp_path: Path) -> None:
    whole = results.paper()
    write_result(tmp_path / "paper.json", whole)
    assert (
        CliRunner().invoke(pack, [str(tmp_path / "paper.json"), "--to", str(tmp_path / "a")]).exit_code == 0
    )
    assert read_result(tmp_path / "a" / "paper.json.xz") == whole
    arguments = [str(tmp_path / "paper.json"), "--to", str(tmp_path / "b"), "--figures-only"]
    assert CliRunner().invoke(pack, arguments).exit_code == 0
    figures = read_result(tmp_path / "b" / "paper.json.xz")
    assert figures.summary == whole.summary
    assert figures.samples == []
    assert "samples are left out" in figures.notes[-1]
    assert gather([tmp_path / "b"]).runs[0].label == "pi-1"


def test_a_file_that_is_not_compressed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "r.json.xz").write_bytes(b"{}")
    with pytest.raises(RecordError, match="not a compressed result file"):
        read_result(tmp_path / "r.json.xz")
