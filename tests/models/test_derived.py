import errno
from pathlib import Path

import pytest

from tests.models.conftest import Seen
from tests.models.gguf_file import gguf_bytes
from xapp.errors import ModelError
from xapp.models import derived as under_test
from xapp.models.derived import Derived, land_copy, making_copies
from xapp.models.digest import hash_file, record_of, sidecar
from xapp.models.formats import FORMATS
from xapp.models.landing import leftovers
from xapp.models.store import ModelFile, local_models, resolve
from xapp.models.verify import Verdict, verify

ORIGIN = "sha256:" + "0" * 64
CONTENT = gguf_bytes()


@pytest.fixture
def copy(folder: Path) -> Derived:
    folder.mkdir()
    (folder / "m.Q4_1.gguf").write_bytes(CONTENT)
    return Derived(resolve("m.Q4_1", folder), ORIGIN, FORMATS["Q8_0"])


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_name_tells_both_formats(copy: Derived) -> None:
    assert (copy.path.name, copy.model.name) == ("m.Q4_1.Q8_0.gguf", "m.Q4_1.Q8_0")


def test_a_copy_of_a_split_model_is_one_file(tmp_path: Path) -> None:
    source = ModelFile("big", tmp_path / "big-00001-of-00002.gguf")
    assert Derived(source, ORIGIN, FORMATS["Q6_K"]).path == tmp_path / "big.Q6_K.gguf"


def test_a_partial_belongs_to_its_source(copy: Derived) -> None:
    copy.partial.write_bytes(b"x")
    assert leftovers(copy.source.path) == [copy.partial]
    assert [model.path for model in local_models(copy.path.parent)] == [copy.source.path]


def test_a_landed_copy_is_known_and_verified(copy: Derived, seen: Seen) -> None:
    with making_copies(copy.source, seen):
        copy.partial.write_bytes(CONTENT)
        record = land_copy(copy, seen, "a tool")
    assert names(copy.path.parent) == ["m.Q4_1.Q8_0.gguf", "m.Q4_1.Q8_0.gguf.json", "m.Q4_1.gguf"]
    assert record.digest == hash_file(copy.path)
    assert (record.origin, record.format, record.tool) == (ORIGIN, "Q8_0", "a tool")
    assert copy.there() == record_of(copy.path) == record
    check = verify(resolve("m.Q4_1.Q8_0", copy.path.parent))
    assert check.verdict is Verdict.OK
    assert ORIGIN in check.detail


def test_another_file_of_that_name_is_not_replaced(copy: Derived) -> None:
    assert copy.there() is None
    copy.path.write_bytes(CONTENT)
    with pytest.raises(
        ModelError, match=r"exists and was not made of this .* models rm m.Q4_1.Q8_0"
    ) as caught:
        copy.there()
    assert caught.value.reason == "OTHER_FILE_THERE"


def test_a_copy_of_another_source_is_another_file(copy: Derived, seen: Seen) -> None:
    copy.partial.write_bytes(CONTENT)
    land_copy(copy, seen, "a tool")
    with pytest.raises(ModelError, match="was not made of this"):
        Derived(copy.source, "sha256:" + "1" * 64, copy.format).there()


def test_what_was_left_is_cleared_before_and_after(copy: Derived, seen: Seen) -> None:
    copy.partial.write_bytes(b"half")
    sidecar(copy.path).write_text("{}")  # of a run that was killed before the file got its name
    with making_copies(copy.source, seen):
        assert not copy.partial.exists()
        copy.partial.write_bytes(b"half")
    assert names(copy.path.parent) == ["m.Q4_1.gguf"]


def test_what_a_pull_of_the_source_has_left_stays(copy: Derived, seen: Seen) -> None:
    half = copy.source.path.with_name(f".{copy.source.path.name}.0123456789abcdef.partial")
    half.write_bytes(b"half")
    with making_copies(copy.source, seen):
        pass
    assert half.exists()


def test_a_source_may_get_another_name(copy: Derived, seen: Seen) -> None:
    copy.partial.write_bytes(CONTENT)
    record = land_copy(copy, seen, "a tool")
    copy.source.path.rename(copy.source.path.with_name("n.gguf"))
    for path in (copy.path, sidecar(copy.path)):
        path.rename(path.with_name(path.name.replace("m.Q4_1", "n")))
    renamed = Derived(resolve("n", copy.path.parent), ORIGIN, copy.format)
    assert renamed.there() == record


def test_an_interrupted_block_leaves_nothing(copy: Derived, seen: Seen) -> None:
    def broken_off() -> None:
        with making_copies(copy.source, seen):
            copy.partial.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken_off()
    assert names(copy.path.parent) == ["m.Q4_1.gguf"]


def test_the_records_of_finished_copies_stay(copy: Derived, seen: Seen) -> None:
    copy.partial.write_bytes(CONTENT)
    land_copy(copy, seen, "a tool")
    with making_copies(copy.source, seen):
        pass
    assert copy.there() is not None


def test_half_a_file_does_not_get_the_name(copy: Derived, seen: Seen) -> None:
    copy.partial.write_bytes(CONTENT[:-1])
    with pytest.raises(ModelError, match="is truncated"):
        land_copy(copy, seen, "a tool")
    assert not copy.path.exists()


def test_a_disk_that_fills_up_at_the_end(copy: Derived, seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(under_test, "sync", full)
    copy.partial.write_bytes(CONTENT)
    with pytest.raises(ModelError, match=rf"m.Q4_1.Q8_0.gguf: {len(CONTENT):,} bytes needed") as caught:
        land_copy(copy, seen, "a tool")
    assert caught.value.reason == "DISK_FULL"
    assert not copy.path.exists()


def test_a_folder_that_cannot_be_written_to(
    copy: Derived, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("xapp.models.transfer.os.open", refuse)
    with (
        pytest.raises(ModelError, match=r"cannot write a copy of m.Q4_1 in .*: Read-only file system"),
        making_copies(copy.source, seen),
    ):
        pass
