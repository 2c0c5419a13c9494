"""A byte order mark is no part of a text, wherever the text comes from."""

import io
import json
import re
from pathlib import Path

import pytest

from xapp.admission.quota import parse_quotas
from xapp.cli.format import output_format
from xapp.cli.options import read_prompt
from xapp.cli.record import Record
from xapp.cli.tasks import _inputs
from xapp.config import Settings, load_settings
from xapp.formats.schema_text import parse_schema
from xapp.formats.validate import Validator
from xapp.grammar.gbnf import read_gbnf
from xapp.ric.descriptor import load_descriptor
from xapp.tasks.folder import read_files, read_tasks, shipped_dir
from xapp.text_file import read_text

ROOT = Path(__file__).resolve().parent.parent
MARK = b"\xef\xbb\xbf"
READERS_OF_THE_SYSTEM = {
    "cgroup.py",
    "heap_keeper.py",
    "features.py",
    "host.py",
    "limits.py",
    "measure.py",
    "tuning_cache.py",
    "node.py",
    "package.py",
    "catalogue.py",
    "process.py",
    "text_file.py",
    "standard_input.py",
}
"""Modules that read what the kernel, a tool or this package wrote."""


@pytest.fixture
def marked(tmp_path: Path) -> Path:
    return tmp_path / "marked"


def write(path: Path, text: str) -> str:
    path.write_bytes(MARK + text.encode())
    return str(path)


def test_line_ends_and_the_mark(marked: Path) -> None:
    write(marked, "ä\r\nb\n")
    assert read_text(marked) == "ä\nb\n"


def test_settings(marked: Path) -> None:
    assert load_settings({"XAPP_CONFIG_FILE": write(marked, "slots = 4\r\n")}).engine.slots == 4


def test_quotas(marked: Path) -> None:
    assert parse_quotas(write(marked, "[default]\nconcurrent = 8\n"))["default"].concurrent == 8
    assert parse_quotas('\ufeff{"default": {"concurrent": 8}}')["default"].concurrent == 8


def test_schema_and_grammar(marked: Path) -> None:
    schema, grammar = '{"type": "integer"}', 'root ::= "a"'
    asked = output_format(write(marked, schema), None, ())
    assert asked is not None
    assert asked.json_schema == schema
    asked = output_format(None, write(marked, grammar), ())
    assert asked is not None
    assert asked.grammar == grammar
    assert Validator("\ufeff" + schema).fault_of_text("3") == ""
    # Another client may send the mark along.
    assert parse_schema("\ufeff" + schema) == json.loads(schema)
    assert read_gbnf("\ufeff" + grammar).keys() == {"root"}


def test_a_record_of_an_answer(marked: Path) -> None:
    text = '{"request": {"prompt": "hi"}, "provenance": {}, "text": "ho"}'
    assert Record.read(Path(write(marked, text))).text == "ho"


def test_descriptor(marked: Path) -> None:
    text = '{"name": "mine", "version": "1.2.3"}'
    assert load_descriptor({"XAPP_DESCRIPTOR_PATH": write(marked, text)}, Settings()) == text


def test_tasks(tmp_path: Path) -> None:
    shipped = next(iter(sorted(shipped_dir().glob("*.yaml"))))
    write(tmp_path / "task.yaml", shipped.read_text())
    (task,) = read_tasks(read_files([tmp_path / "task.yaml"]))
    assert task.name


def _pipe(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    _pipe(monkeypatch, "\ufeffWhat is O-RAN?")
    assert read_prompt("-") == "What is O-RAN?"
    _pipe(monkeypatch, '\ufeff{"line": "x"}')
    assert _inputs("-") == {"line": "x"}


def test_nobody_reads_text_in_another_way() -> None:
    """A new reader goes through xapp/text_file.py, or is listed above."""
    for path in (ROOT / "xapp").rglob("*.py"):
        if path.name not in READERS_OF_THE_SYSTEM:
            assert not re.search(r"\.read_text\(|stdin\.(buffer\.)?read\(", path.read_text()), path
