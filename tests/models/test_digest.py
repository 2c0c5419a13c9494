import hashlib
import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xapp.errors import ModelError
from xapp.models import digest
from xapp.models.digest import OnBytes, digest_of, read_record, sidecar, write_record

CONTENT = b"some weights"
DIGEST = "sha256:" + hashlib.sha256(CONTENT).hexdigest()
OTHER = "sha256:" + "0" * 64


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "m.gguf"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were really read."""
    seen: list[Path] = []
    usual = digest.hash_file

    def hash_file(path: Path, told: OnBytes | None) -> str:
        seen.append(path)
        return usual(path, told)

    monkeypatch.setattr(digest, "hash_file", hash_file)
    return seen


def test_hashes_once(file: Path, hashed: list[Path]) -> None:
    assert digest_of(file) == digest_of(file) == DIGEST
    assert hashed == [file]
    assert list(file.parent.glob("m.gguf*")) == [file]


def test_the_record_counts_while_the_file_is_untouched(file: Path, hashed: list[Path]) -> None:
    write_record(file, OTHER, "hf:a/b/m.gguf")
    assert digest_of(file) == OTHER
    os.utime(file, ns=(0, 0))
    assert digest_of(file) == DIGEST
    assert hashed == [file]


def test_an_image_layer_cuts_the_mtime_to_seconds(file: Path, hashed: list[Path]) -> None:
    os.utime(file, ns=(5_000_000_123, 5_000_000_123))
    write_record(file, OTHER, "hf:a/b/m.gguf")
    os.utime(file, ns=(5_000_000_000, 5_000_000_000))
    assert digest_of(file) == OTHER
    assert hashed == []


def test_a_changed_file_is_hashed_again(file: Path, hashed: list[Path]) -> None:
    digest_of(file)
    file.write_bytes(b"other")
    assert digest_of(file) == "sha256:" + hashlib.sha256(b"other").hexdigest()
    assert len(hashed) == 2


def test_a_cache_that_cannot_be_written_is_no_error(
    file: Path, hashed: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(file))  # no folder can be made below a file, not even by root
    assert digest_of(file) == digest_of(file) == DIGEST
    assert len(hashed) == 2


def test_absent_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"cannot read .*absent"):
        digest_of(tmp_path / "absent")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.none() | st.integers() | st.text(),
            lambda inner: (
                st.lists(inner) | st.dictionaries(st.sampled_from(["digest", "size", "mtime_ns", "x"]), inner)
            ),
            max_leaves=8,
        ).map(lambda value: json.dumps(value).encode()),
    )
)
def test_a_broken_record_is_none(file: Path, content: bytes) -> None:
    sidecar(file).write_bytes(content)
    assert read_record(sidecar(file)) is None
    assert digest_of(file) == DIGEST
