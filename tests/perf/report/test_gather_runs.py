from pathlib import Path

import pytest

from perf.paper.paper_samples import Turn
from perf.record.journal import Journal
from perf.record.record_errors import RecordError
from perf.record.result_files import write_result
from perf.record.result_schema import Mode, Result, Status, Target
from perf.report.gather_runs import gather
from tests.perf import results


def written(folder: Path, **named: Result) -> Path:
    for name, result in named.items():
        write_result(folder / f"{name}.json", result)
    return folder


def test_files_and_folders_are_read_once_oldest_first(tmp_path: Path) -> None:
    late = results.load(started_at="2026-03-01T00:00:00Z")
    written(tmp_path / "deep", late=late, early=results.paper())
    found = gather([tmp_path, tmp_path / "deep" / "late.json"])
    assert [run.path.stem for run in found.runs] == ["early", "late"]
    assert [run.path.stem for run in found.of(Mode.LOAD)] == ["late"]
    assert found.left_out == []


def test_a_folders_bad_file_is_left_out_and_said(tmp_path: Path) -> None:
    written(tmp_path, good=results.paper())
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "old.json").write_text('{"schema": "genai-xapp-bench/0"}')
    (tmp_path / "notes.txt").write_text("not asked for")
    Journal.open(tmp_path / "cut.json", fingerprint={}).close()
    found = gather([tmp_path])
    assert [run.path.stem for run in found.runs] == ["good"]
    assert [text.split(": ")[0].rpartition("/")[2] for text in found.left_out] == [
        "bad.json",
        "old.json",
        "cut.json.part",
    ]


def test_a_file_that_is_named_must_be_sound(tmp_path: Path) -> None:
    written(tmp_path, good=results.paper())
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(RecordError, match="not a result file"):
        gather([tmp_path / "good.json", tmp_path / "bad.json"])
    with pytest.raises(RecordError, match="No such file"):
        gather([tmp_path / "none.json"])


def test_an_empty_folder_is_an_error_that_says_what_is_in_it(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"no result file of genai-xapp bench there$"):
        gather([tmp_path])
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(RecordError, match=r"there; .*bad\.json: not a result file"):
        gather([tmp_path])


def test_runs_are_called_by_what_tells_them_apart(tmp_path: Path) -> None:
    other = results.load()
    model = [Target("ours", "grpc", "", "other")]
    written(
        tmp_path,
        a=results.paper(),
        b=results.paper("pi-2", status=Status.PARTIAL, missing=["a turn"]),
        c=results.load(),
        d=results.load(targets=model),
        e=results.engine(),
        f=results.engine(),
        g=results.accuracy(task="winogrande"),
        h=results.accuracy(task="mmlu"),
    )
    labels = {run.path.stem: run.label for run in gather([tmp_path]).runs}
    assert labels == {
        "a": "pi-1",
        "b": "pi-2 (partial)",
        "c": f"pi-1, {other.targets[0].model}",
        "d": "pi-1, other",
        "e": "pi-1, e",
        "f": "pi-1, f",
        "g": "pi-1",
        "h": "pi-1",
    }


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        written(tmp_path / folder, run=results.engine())
    assert [run.label for run in gather([tmp_path]).runs] == ["pi-1, one/run", "pi-1, two/run"]


def test_samples_of_one_kind_are_decoded(tmp_path: Path) -> None:
    result = results.paper()
    result.samples.append({"kind": "other"})
    written(tmp_path, run=result)
    (run,) = gather([tmp_path]).runs
    assert len(run.samples(Turn)) == 100
    assert {turn.model for turn in run.samples(Turn)} == set(results.MODELS)


def test_a_malformed_sample_is_named(tmp_path: Path) -> None:
    written(
        tmp_path,
        run=results.result(Mode.PAPER, [], samples=[{"kind": "other"}, {"kind": "turn", "model": 3}]),
    )
    (run,) = gather([tmp_path]).runs
    with pytest.raises(RecordError, match=r"run\.json: \$\.samples\[1\]"):
        run.samples(Turn)
