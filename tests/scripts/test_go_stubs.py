"""The Go stubs of this tree are of its contract; others are not."""

import shutil
from pathlib import Path

import pytest

from scripts.go_stubs import STUBS, descriptor, stale, unquoted


@pytest.fixture
def stubs(tmp_path: Path) -> Path:
    for stub in STUBS.glob("*.pb.go"):
        shutil.copy(stub, tmp_path)
    return tmp_path


def test_those_of_this_tree_are_up_to_date(stubs: Path) -> None:
    assert stale() == stale(stubs) == []


def test_a_field_with_another_name_or_number_is_drift(stubs: Path) -> None:
    stub = stubs / "models.pb.go"
    text = stub.read_text()
    stub.write_text(text.replace(r"\x05state\x18\x02", r"\x05stale\x18\x02"))
    assert stale(stubs) == ["models.pb.go"]
    stub.write_text(text.replace(r"\x05state\x18\x02", r"\x05state\x18\x7f"))
    assert stale(stubs) == ["models.pb.go"]


def test_a_file_without_descriptor_is_no_stub() -> None:
    with pytest.raises(ValueError, match="no descriptor"):
        descriptor("package inferencev1")


@pytest.mark.parametrize(
    ("literal", "found"),
    [
        (r"a\n\"\\", b'a\n"\\'),
        (r"\xff\x00", b"\xff\x00"),
        (r"\u00e9é", "éé".encode()),
        (r"\a\v", b"\x07\x0b"),
    ],
)
def test_escapes_of_go(literal: str, found: bytes) -> None:
    assert unquoted(literal) == found
