from dataclasses import replace
from pathlib import Path

import pytest

from tests.models.gguf_file import gguf_bytes
from xapp.models.catalogue import DEFAULT_MODEL, catalogue
from xapp.models.digest import hash_file, write_record
from xapp.models.store import ModelFile
from xapp.models.verify import Verdict, difference, verify


@pytest.fixture
def model(tmp_path: Path) -> ModelFile:
    path = tmp_path / "m.gguf"
    path.write_bytes(gguf_bytes())
    return ModelFile("m", path)


def test_as_recorded(model: ModelFile) -> None:
    write_record(model.path, hash_file(model.path), "hf:a/b/m.gguf")
    done: list[int] = []
    check = verify(model, done.append)
    assert (check.verdict, check.good) == (Verdict.OK, True)
    assert "hf:a/b/m.gguf" in check.detail
    assert done == [model.path.stat().st_size]


def test_one_flipped_bit_differs_though_the_mtime_is_old(model: ModelFile) -> None:
    record = write_record(model.path, hash_file(model.path), "hf:a/b/m.gguf")
    content = bytearray(model.path.read_bytes())
    content[-1] ^= 1
    model.path.write_bytes(content)
    check = verify(model)
    assert (check.verdict, check.good) == (Verdict.DIFFERS, False)
    assert record.digest in check.detail
    assert check.digest in check.detail


def test_without_a_record_only_the_structure_counts(model: ModelFile) -> None:
    assert verify(model).verdict is Verdict.UNRECORDED
    model.path.write_bytes(gguf_bytes()[:-1])
    check = verify(model)
    assert (check.verdict, check.digest) == (Verdict.BROKEN, "")
    assert "truncated" in check.detail


def test_the_pinned_model_needs_no_record(model: ModelFile) -> None:
    pinned = replace(model, name=DEFAULT_MODEL, entry=catalogue()[DEFAULT_MODEL])
    assert verify(pinned).verdict is Verdict.DIFFERS


def test_the_catalogues_other_hashes_are_no_authority(model: ModelFile) -> None:
    assert verify(replace(model, entry=catalogue()["llama-3-8b"])).verdict is Verdict.UNRECORDED


def test_absent(tmp_path: Path) -> None:
    assert verify(ModelFile("m", tmp_path / "absent.gguf")).verdict is Verdict.BROKEN


def test_a_difference_at_the_start_counts_the_record_and_the_catalogue(model: ModelFile) -> None:
    digest = hash_file(model.path)
    assert difference(model, digest) == ""
    assert "the catalogue says" in difference(replace(model, entry=catalogue()["llama-3-8b"]), digest)
    record = write_record(model.path, "sha256:" + "0" * 64, "hf:a/b/m.gguf")
    assert record.digest in difference(model, digest)
    assert difference(model, record.digest) == ""
