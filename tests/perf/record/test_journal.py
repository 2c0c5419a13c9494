import errno
import os
from pathlib import Path

import pytest

from perf.record.journal import Journal, journal_path
from perf.record.record_errors import RecordError

FINGERPRINT = {"mode": "paper", "options": {"limit": 3, "models": ["a"]}}


@pytest.fixture
def result(tmp_path: Path) -> Path:
    return tmp_path / "new" / "run.json"


def filled(result: Path, *values: int) -> None:
    with Journal.open(result, fingerprint=FINGERPRINT) as journal:
        for value in values:
            journal.add({"kind": "x", "value": value})


def test_samples_outlive_the_run(result: Path) -> None:
    filled(result, 1, 2)
    with Journal.open(result, fingerprint=FINGERPRINT) as journal:
        assert journal.resumed
        assert journal.samples == [{"kind": "x", "value": 1}, {"kind": "x", "value": 2}]
        journal.add({"kind": "x", "value": 3})
    with Journal.open(result, fingerprint=FINGERPRINT) as journal:
        assert [each["value"] for each in journal.samples] == [1, 2, 3]


def test_a_new_journal_has_nothing_to_resume(result: Path) -> None:
    with Journal.open(result, fingerprint=FINGERPRINT) as journal:
        assert not journal.resumed
        assert journal.samples == []


def test_a_line_that_was_cut_off_is_dropped(result: Path) -> None:
    filled(result, 1)
    with journal_path(result).open("ab") as file:
        file.write(b'{"kind": "x", "va')
    filled(result, 2)
    with Journal.open(result, fingerprint=FINGERPRINT) as journal:
        assert [each["value"] for each in journal.samples] == [1, 2]


def test_an_empty_file_is_a_new_journal(result: Path) -> None:
    result.parent.mkdir()
    journal_path(result).touch()
    filled(result, 1)
    assert len(journal_path(result).read_text().splitlines()) == 2


def test_another_run_is_named_by_what_differs(result: Path) -> None:
    filled(result, 1)
    other = {"mode": "paper", "options": {"limit": 4, "models": ["a"]}, "seed": 1}
    with pytest.raises(RecordError, match=r"options\.limit was 3, now 4") as caught:
        Journal.open(result, fingerprint=other)
    assert "seed was nothing, now 1" in str(caught.value)
    assert "models" not in str(caught.value)
    assert str(journal_path(result)) in str(caught.value)


def test_tuples_and_lists_are_the_same_fingerprint(result: Path) -> None:
    filled(result, 1)
    Journal.open(result, fingerprint={"mode": "paper", "options": {"limit": 3, "models": ("a",)}}).close()


def test_one_run_at_a_time(result: Path) -> None:
    first = Journal.open(result, fingerprint=FINGERPRINT)
    with pytest.raises(RecordError, match="another run is writing it"):
        Journal.open(result, fingerprint=FINGERPRINT)
    first.close()
    Journal.open(result, fingerprint=FINGERPRINT).close()


@pytest.mark.parametrize("line", [b"\xff\n", b"[]\n", b'{"kind"\n'])
def test_a_spoilt_line_is_named(result: Path, line: bytes) -> None:
    filled(result, 1)
    with journal_path(result).open("ab") as file:
        file.write(line)
    with pytest.raises(RecordError, match="line 3: not a sample"):
        Journal.open(result, fingerprint=FINGERPRINT)


def test_what_is_no_journal_is_left_alone(result: Path) -> None:
    result.parent.mkdir()
    journal_path(result).write_text('{"something": "else"}\n')
    with pytest.raises(RecordError, match="line 1: not the head of a journal"):
        Journal.open(result, fingerprint=FINGERPRINT)
    assert journal_path(result).read_text() == '{"something": "else"}\n'


def test_a_full_disk_keeps_what_there_is(result: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write

    def half(descriptor: int, data: bytes) -> int:
        if len(data) < 100:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, data[:60])

    filled(result, 1)
    with Journal.open(result, fingerprint=FINGERPRINT) as journal:
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", half)
            with pytest.raises(
                RecordError, match=r"No space left on device.*the 1 samples before it are kept"
            ):
                journal.add({"kind": "x", "value": "y" * 100})
        assert len(journal.samples) == 1
        journal.add({"kind": "x", "value": 2})
    with Journal.open(result, fingerprint=FINGERPRINT) as journal:
        assert [each["value"] for each in journal.samples] == [1, 2]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RecordError, match="cannot be written"):
        Journal.open(tmp_path / "file" / "run.json", fingerprint=FINGERPRINT)


def test_a_closed_journal_takes_nothing(result: Path) -> None:
    journal = Journal.open(result, fingerprint=FINGERPRINT)
    journal.close()
    journal.close()
    with pytest.raises(ValueError, match="closed"):
        journal.add({"kind": "x"})
