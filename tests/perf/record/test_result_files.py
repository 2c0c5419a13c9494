import errno
from pathlib import Path
from typing import Any

import msgspec
import pytest

from perf.record import result_files
from perf.record.journal import Journal, journal_path
from perf.record.record_errors import RecordError
from perf.record.result_files import read_result, result_path, write_result
from perf.record.result_schema import Figure, Mode, Result, Status
from tests.perf import results

SOUND = results.result(Mode.PAPER, [Figure("speed", 1.5, "tok/s", "m", 1.0, 2.0, 3, True)])


def plain() -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(SOUND)
    return found


def written(path: Path, content: object) -> Path:
    path.write_bytes(msgspec.json.encode(content))
    return path


@pytest.mark.parametrize("result", results.every_mode(), ids=lambda each: each.mode)
def test_what_was_written_is_read(tmp_path: Path, result: Result) -> None:
    write_result(tmp_path / "deep" / "r.json", result)
    assert read_result(tmp_path / "deep" / "r.json") == result


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a result file"),
        (b"{", "not a result file"),
        (b"\xff\xfe", "not a result file"),
        (b"[]", "not a result file"),
        (b"{}", 'it has no "schema"'),
        (b'{"schema": "genai-xapp-bench/0"}', "older than genai-xapp-bench/1: measure again"),
        (b'{"schema": "genai-xapp-bench/2"}', "newer than genai-xapp-bench/1: read it with a newer"),
        (b'{"schema": "genai-xapp-perf/1"}', "its schema is genai-xapp-perf/1"),
        (b'{"schema": "genai-xapp-bench/x"}', "reads genai-xapp-bench/1"),
        (b'{"schema": "genai-xapp-bench/1"}', "missing required field"),
    ],
)
def test_what_is_no_result_says_why(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(data)
    with pytest.raises(RecordError, match=message) as caught:
        read_result(path)
    assert str(caught.value).startswith(str(path))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="cannot be read: No such file"):
        read_result(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mode": "guess"}, r"\$\.mode"),
        ({"surprise": 1}, "unknown field `surprise`"),
        ({"duration_s": "long"}, r"\$\.duration_s"),
        ({"duration_s": -1}, r"\$\.duration_s: -1.0 is negative"),
        ({"started_at": "yesterday"}, r"\$\.started_at: 'yesterday' is no ISO 8601 time"),
        ({"targets": []}, r"\$\.targets: empty"),
        ({"status": "partial"}, r"\$\.missing: empty"),
        ({"samples": [{"value": 1}]}, r"\$\.samples\[0\]: without a kind"),
    ],
)
def test_a_run_that_is_not_sound(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(RecordError, match=message):
        read_result(written(tmp_path / "r.json", {**plain(), **change}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"value": "fast"}, r"\$\.summary\[0\]\.value"),
        ({"units": "s"}, "unknown field `units`"),
        ({"value": None}, "without a value and without a note"),
        ({"name": ""}, "without a name"),
        ({"low": None}, "an interval with one end"),
        ({"low": 3.0}, "the wrong way round"),
        ({"num_samples": -1}, "a negative number of samples"),
    ],
)
def test_a_figure_that_is_not_sound(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    content = plain()
    content["summary"][0].update(change)
    with pytest.raises(RecordError, match=message):
        read_result(written(tmp_path / "r.json", content))


def test_a_figure_is_there_once(tmp_path: Path) -> None:
    content = plain()
    content["summary"] *= 2
    with pytest.raises(RecordError, match="speed of group 'm' is there twice"):
        read_result(written(tmp_path / "r.json", content))


def test_a_complete_result_takes_its_journals_place(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    Journal.open(path, fingerprint={}).close()
    write_result(path, msgspec.structs.replace(SOUND, status=Status.PARTIAL, missing=["one turn"]))
    assert journal_path(path).exists()
    write_result(path, SOUND)
    assert [each.name for each in tmp_path.iterdir()] == ["r.json"]


def test_a_full_disk_spoils_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> None:
        path.write_bytes(data[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "r.json"
    write_result(path, SOUND)
    Journal.open(path, fingerprint={}).close()
    monkeypatch.setattr(result_files, "_write_through", full)
    with pytest.raises(RecordError, match=r"No space left on device; every sample is kept in r\.json\.part"):
        write_result(path, msgspec.structs.replace(SOUND, node="other"))
    assert read_result(path) == SOUND
    assert sorted(each.name for each in tmp_path.iterdir()) == ["r.json", "r.json.part"]


def test_a_name_is_made_of_mode_and_model(tmp_path: Path) -> None:
    assert result_path(Mode.LOAD, "/models/A b.Q4.gguf", tmp_path) == tmp_path / "load-A-b.Q4.json"
    assert result_path(Mode.LOAD, "..", tmp_path) == tmp_path / "load-model.json"
    assert result_path(Mode.LOAD, "m", tmp_path / "x.json") == tmp_path / "x.json"
    assert result_path(Mode.LOAD, "m").parent == result_files.DEFAULT_FOLDER


def test_a_finished_result_is_not_written_over_and_a_partial_one_gone_on_with(tmp_path: Path) -> None:
    first, second = tmp_path / "paper-m.json", tmp_path / "paper-m-2.json"
    Journal.open(first, fingerprint={}).close()
    assert result_path(Mode.PAPER, "m", tmp_path) == first
    write_result(first, SOUND)
    assert result_path(Mode.PAPER, "m", tmp_path) == second
    Journal.open(second, fingerprint={}).close()
    assert result_path(Mode.PAPER, "m", tmp_path) == second
