"""Traces are read strictly: a misspelt key would silently change the load."""

from pathlib import Path

import pytest

from perf.data.read_rows import DataError
from perf.data.traces import TraceRequest, read_trace
from perf.targets.target import Turn


def read(tmp_path: Path, *lines: str) -> list[TraceRequest]:
    path = tmp_path / "trace.jsonl"
    path.write_text("\n".join(lines))
    return read_trace(path)


def test_requests_come_in_order_of_time(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        '{"at": 2.5, "prompt_tokens": 40, "max_tokens": 8}',
        '{"at": 0, "prompt": "Cell 7", "max_tokens": 4, "priority": "critical", "deadline_s": 1.5}',
    )
    assert [request.at for request in found] == [0.0, 2.5]
    assert (found[0].input, found[0].priority, found[0].deadline_s) == ("Cell 7", "critical", 1.5)
    assert (found[1].prompt_tokens, found[1].input) == (40, None)


def test_messages_become_turns(tmp_path: Path) -> None:
    (found,) = read(tmp_path, '{"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4}')
    assert found.input == (Turn("user", "Hi"),)
    assert found.at is None


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"prompt": "x"}', "max_tokens"),
        ('{"max_tokens": 4}', "exactly one of"),
        ('{"max_tokens": 4, "prompt": "x", "prompt_tokens": 3}', "prompt_tokens and prompt given"),
        ('{"max_tokens": 4, "prompt": "x", "priorty": "batch"}', "priorty"),
        ('{"max_tokens": 4, "prompt": "x", "priority": "urgent"}', "urgent"),
        ('{"max_tokens": 0, "prompt": "x"}', "max_tokens 0"),
        ('{"max_tokens": 4, "prompt_tokens": -1}', "prompt_tokens -1"),
        ('{"max_tokens": 4, "prompt": "x", "at": -0.5}', "at -0.5"),
        ('{"max_tokens": 4, "prompt": "x", "deadline_s": 0}', "deadline_s 0"),
        ('{"max_tokens": 4, "prompt": ""}', "prompt is empty"),
        ('{"max_tokens": 4, "messages": []}', "messages is empty"),
        ('{"max_tokens": 4, "messages": [{"role": "robot", "content": ""}]}', "robot"),
        ('{"max_tokens": 4, "prompt"', "line 2"),
        ('{"max_tokens": 4, "prompt": "x", "at": 3}', "some lines only"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, reason: str) -> None:
    with pytest.raises(DataError, match=r"trace\.jsonl, line 2") as caught:
        read(tmp_path, '{"prompt": "fine", "max_tokens": 4}', line)
    assert reason in str(caught.value)


def test_an_empty_file_is_no_trace(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="empty"):
        read(tmp_path, "")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.jsonl"):
        read_trace(tmp_path / "none.jsonl")
