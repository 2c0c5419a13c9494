"""What a mark sees of a model's files."""

import os
from pathlib import Path

import pytest

from xapp.models.mark import are_there, in_place, mark_of


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "m.gguf"
    path.write_bytes(b"one")
    return path


def replace(path: Path, content: bytes) -> None:
    """As whoever does it well: whole, by a rename."""
    other = path.with_suffix(".new")
    other.write_bytes(content)
    stat = path.stat()
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    other.replace(path)


def test_the_same_file_has_the_same_mark(file: Path) -> None:
    assert mark_of(file) == mark_of(file)
    assert are_there(mark_of(file))


def test_a_file_of_the_same_size_and_time_in_its_place_has_another(file: Path) -> None:
    before = mark_of(file)
    replace(file, b"two")
    assert mark_of(file) != before
    assert not in_place(before, mark_of(file))


def test_a_file_that_is_written_to_has_another_at_the_same_place(file: Path) -> None:
    before = mark_of(file)
    file.write_bytes(b"three")
    assert in_place(before, mark_of(file))


def test_a_file_that_is_gone_is_not_there(file: Path) -> None:
    before = mark_of(file)
    file.unlink()
    assert not are_there(mark_of(file))
    assert not in_place(before, mark_of(file))


def test_every_part_counts(tmp_path: Path) -> None:
    parts = [tmp_path / f"m-0000{number}-of-00002.gguf" for number in (1, 2)]
    for part in parts:
        part.write_bytes(b"one")
    before = mark_of(parts[0])
    replace(parts[1], b"two")
    assert mark_of(parts[0]) != before
    parts[1].unlink()
    assert not are_there(mark_of(parts[0]))
