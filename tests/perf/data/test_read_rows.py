from pathlib import Path

import msgspec
import pytest

from perf.data.read_rows import DataError, read_rows, spread


class Row(msgspec.Struct, frozen=True):
    a: int


class Text(msgspec.Struct, frozen=True):
    text: str


def written(folder: Path, text: str) -> Path:
    path = folder / "rows.jsonl"
    path.write_text(text)
    return path


def test_blank_lines_are_passed_over_and_still_count(tmp_path: Path) -> None:
    path = written(tmp_path, '{"a": 1, "more": true}\n\n{"a": 2}\n')
    assert list(read_rows(path, Row)) == [(1, Row(1)), (3, Row(2))]


@pytest.mark.parametrize("line", ["{", '{"a": "one"}', "{}", "[1]", "\ufeff{}"])
def test_a_malformed_line_is_named(tmp_path: Path, line: str) -> None:
    path = written(tmp_path, f'{{"a": 1}}\n{line}\n')
    with pytest.raises(DataError, match=r"rows\.jsonl, line 2: "):
        list(read_rows(path, Row))


def test_bytes_that_are_no_utf8_are_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"text": "\xff"}\n')
    with pytest.raises(DataError, match="line 1"):
        list(read_rows(path, Text))


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_an_empty_file_says_so(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match=r"rows\.jsonl: empty"):
        list(read_rows(written(tmp_path, text), Row))


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"rows\.jsonl: cannot be read: No such file"):
        list(read_rows(tmp_path / "rows.jsonl", Row))


def test_a_limit_takes_rows_from_the_whole_file() -> None:
    assert spread(list(range(10)), 4) == [0, 2, 5, 7]
    assert spread([1, 2], 5) == [1, 2]
    assert spread([1, 2], None) == [1, 2]
