from pathlib import Path

import pytest

from xapp.backend.optimize.space import check_disk, check_memory
from xapp.backend.sizing import RESERVE_BYTES, Node
from xapp.errors import ModelError

SIZES = {"Q8_0": 3000, "Q4_0": 2000}


def free(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": count})
    monkeypatch.setattr("xapp.models.transfer.shutil.disk_usage", lambda _: usage)


def test_all_copies_lie_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free(5000, monkeypatch)
    check_disk(tmp_path, SIZES, "m")
    free(4999, monkeypatch)
    wanted = r"copies of m \(Q8_0 3,000, Q4_0 2,000 bytes; --format .*: 5,000 bytes needed, 4,999 free"
    with pytest.raises(ModelError, match=wanted) as caught:
        check_disk(tmp_path, SIZES, "m")
    assert caught.value.reason == "DISK_FULL"


def test_memory_is_for_the_source_and_the_largest_copy() -> None:
    enough = 1000 + 3000 + RESERVE_BYTES
    check_memory(Node(enough, 2), Path("m.gguf"), 1000, SIZES)
    with pytest.raises(
        ModelError, match=rf"Q8_0 of m.gguf: {enough:,} bytes needed .* {enough - 1:,} free"
    ) as caught:
        check_memory(Node(enough - 1, 2), Path("m.gguf"), 1000, SIZES)
    assert caught.value.reason == "NO_MEMORY"
