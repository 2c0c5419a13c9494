"""The cache of tensors is bounded, and a half-written file does not survive."""

import os
from pathlib import Path

import pytest

from xapp.helper.tensor_cache import TensorCache

A, B, C = (digit * 16 for digit in "abc")


@pytest.fixture
def cache(tmp_path: Path) -> TensorCache:
    return TensorCache(tmp_path, 250)


def put(folder: Path, name: str, size: int, age: int = 0) -> None:
    (folder / name).write_bytes(bytes(size))
    os.utime(folder / name, (10_000 - age, 10_000 - age))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if len(path.name) == 16)


def test_a_file_that_changed_before_the_end_is_removed(tmp_path: Path, cache: TensorCache) -> None:
    put(tmp_path, A, 100)
    cache.look()
    cache.look()
    put(tmp_path, B, 50)
    cache.look()
    put(tmp_path, B, 60)
    cache.look()
    cache.clean()
    assert names(tmp_path) == [A]


def test_whole_files_are_known_to_the_next_process(tmp_path: Path, cache: TensorCache) -> None:
    put(tmp_path, A, 100)
    cache.look()
    cache.look()
    put(tmp_path, B, 100)
    TensorCache(tmp_path, 250).clean()
    assert names(tmp_path) == [A]


def test_a_file_that_another_has_cut_short_is_removed(tmp_path: Path, cache: TensorCache) -> None:
    put(tmp_path, A, 100)
    cache.look()
    cache.look()
    put(tmp_path, A, 99)
    cache.clean()
    assert names(tmp_path) == []


def test_the_oldest_go_first(tmp_path: Path, cache: TensorCache) -> None:
    put(tmp_path, A, 100, age=1)
    put(tmp_path, B, 100, age=3)
    put(tmp_path, C, 100, age=2)
    cache.look()
    assert names(tmp_path) == [A, C]


def test_files_of_others_stay(tmp_path: Path, cache: TensorCache) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    cache.look()
    cache.clean()
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_list_that_cannot_be_read_is_no_list(tmp_path: Path) -> None:
    put(tmp_path, A, 100)
    (tmp_path / "whole.json").write_text("{")
    TensorCache(tmp_path, 250).clean()
    assert names(tmp_path) == []
