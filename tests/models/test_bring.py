"""Files of this machine come into the models folder, and files that are there already are recognised."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.models.conftest import CONTENT, Seen
from tests.models.gguf_file import gguf_bytes
from tests.models.hub_stand_in import StandIn
from xapp.errors import ModelError
from xapp.models.bring import bring
from xapp.models.catalogue import Entry, catalogue
from xapp.models.digest import PREFIX, hash_file, record_of
from xapp.models.landing import leftovers
from xapp.models.pull import pull
from xapp.models.store import ModelFile, resolve
from xapp.models.verify import Verdict, verify

KNOWN = "qwen3-0.6b"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "elsewhere" / "mine.gguf"
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def known(source: Path, monkeypatch: pytest.MonkeyPatch) -> Entry:
    """A model of the catalogue whose content the source has."""
    sha256 = hash_file(source).removeprefix(PREFIX)
    entry = replace(catalogue()[KNOWN], sha256=sha256, size_bytes=len(CONTENT))
    entries = {**catalogue(), KNOWN: entry}
    by_file = {each.local_file: each for each in entries.values()}
    for module in ("bring", "pull", "store"):
        monkeypatch.setattr(f"xapp.models.{module}.catalogue", lambda: entries)
        monkeypatch.setattr(f"xapp.models.{module}.entries_by_file", lambda: by_file)
    return entry


def test_a_copy_has_the_record_of_where_it_is_from(source: Path, folder: Path, seen: Seen) -> None:
    done = bring(source, folder, progress=seen)
    assert (done.model, done.was_there) == (ModelFile("mine", folder / "mine.gguf"), False)
    assert done.model.path.read_bytes() == CONTENT
    assert done.record.source == f"file:{source}"
    assert record_of(done.model.path) == done.record
    assert verify(resolve("mine", folder)).verdict is Verdict.OK
    assert ("reading", len(CONTENT), len(CONTENT)) in seen.updates


def test_a_link_takes_no_room(source: Path, folder: Path) -> None:
    done = bring(source, folder, link=True)
    assert done.model.path.samefile(source)
    assert not done.model.path.is_symlink()


def test_a_link_to_another_disk_is_refused(
    source: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(ModelError, match="without --link"):
        bring(source, folder, link=True)
    assert list(folder.iterdir()) == []


def test_twice_is_once(source: Path, folder: Path) -> None:
    bring(source, folder)
    assert bring(source, folder).was_there


def test_another_file_of_that_name_stays(source: Path, folder: Path) -> None:
    bring(source, folder)
    source.write_bytes(CONTENT[:-1] + b"!")
    with pytest.raises(ModelError) as caught:
        bring(source, folder)
    assert caught.value.reason == "OTHER_FILE_THERE"
    assert (folder / "mine.gguf").read_bytes() == CONTENT


@pytest.mark.parametrize("content", [b"", b"<html>404</html>", gguf_bytes()[:-1]])
def test_what_is_no_model_is_not_taken(source: Path, folder: Path, content: bytes) -> None:
    source.write_bytes(content)
    with pytest.raises(ModelError, match=str(source)):
        bring(source, folder)
    assert not folder.exists()


@pytest.mark.parametrize("name", ["absent.gguf", "elsewhere", "model.bin"])
def test_what_is_no_gguf_file_is_named(tmp_path: Path, source: Path, folder: Path, name: str) -> None:
    (tmp_path / "model.bin").write_bytes(CONTENT)
    with pytest.raises(ModelError, match=f"{name} is not a .gguf file"):
        bring(tmp_path / name, folder)


def test_a_full_disk_leaves_nothing(source: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Path, partial: Path) -> None:
        partial.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("xapp.models.bring.shutil.copyfile", fail)
    with pytest.raises(ModelError) as caught:
        bring(source, folder)
    assert caught.value.reason == "DISK_FULL"
    assert leftovers(folder / "mine.gguf") == []


def test_every_part_comes(tmp_path: Path, folder: Path) -> None:
    parts = [tmp_path / f"big-0000{number}-of-00002.gguf" for number in (1, 2)]
    for part in parts:
        part.write_bytes(CONTENT)
    done = bring(parts[0], folder)
    assert (done.model.name, done.record.size) == ("big", 2 * len(CONTENT))
    assert verify(resolve("big", folder)).verdict is Verdict.OK


def test_a_file_that_the_catalogue_knows_gets_its_name(known: Entry, source: Path, folder: Path) -> None:
    done = bring(source, folder)
    assert done.model == ModelFile(KNOWN, folder / known.local_file, known)
    assert done.record.source == f"hf:{known.repo}/{known.file}"
    assert pull(KNOWN, folder, endpoint="http://127.0.0.1:1").was_there


def test_a_file_that_was_put_there_is_adopted_without_the_hub(
    known: Entry, folder: Path, hub: StandIn
) -> None:
    folder.mkdir()
    (folder / known.local_file).write_bytes(CONTENT)
    assert verify(resolve(KNOWN, folder)).verdict is Verdict.OK
    done = pull(KNOWN, folder, endpoint=hub.endpoint)
    assert (done.was_there, done.record.source, hub.log) == (True, f"hf:{known.repo}/{known.file}", [])
    assert record_of(folder / known.local_file) == done.record


def test_another_content_under_that_name_is_the_hubs_to_judge(
    known: Entry, folder: Path, hub: StandIn
) -> None:
    folder.mkdir()
    (folder / known.local_file).write_bytes(CONTENT[:-1] + b"!")
    with pytest.raises(ModelError):
        pull(KNOWN, folder, endpoint=hub.endpoint)
    assert hub.log
    assert verify(resolve(KNOWN, folder)).verdict is Verdict.UNRECORDED
