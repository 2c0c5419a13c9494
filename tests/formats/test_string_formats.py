"""What is written for a `format` has that format, by somebody else's reading of it."""

import ipaddress
import json
import re
from collections.abc import Callable
from datetime import date, datetime, time
from random import Random
from uuid import UUID

import pytest

from tests.grammar.walk import walk
from xapp.formats.schema import schema_program
from xapp.formats.string_formats import PATTERNS
from xapp.grammar.machine import Machine
from xapp.grammar.progress import matches

NUM_TEXTS = 200
_NAME = r"(?!-)[a-z0-9-]{1,63}(?<!-)"


def whole(pattern: str) -> Callable[[str], object]:
    def read(text: str) -> object:
        if re.fullmatch(pattern, text) is None:
            raise ValueError(text)
        return text

    return read


READERS: dict[str, Callable[[str], object]] = {
    "date": lambda text: None if text.startswith("0000") else date.fromisoformat(text),
    "time": time.fromisoformat,
    "date-time": lambda text: None if text.startswith("0000") else datetime.fromisoformat(text),
    "duration": whole(r"P(\d+W|(?=.)(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+S)?)?)"),
    "uuid": UUID,
    "ipv4": ipaddress.IPv4Address,
    "ipv6": ipaddress.IPv6Address,
    "hostname": whole(rf"{_NAME}(\.{_NAME})*"),
    "email": whole(rf"[a-z0-9_+-]+(\.[a-z0-9_+-]+)*@{_NAME}(\.{_NAME})+"),
}
KNOWN = {
    "date": ["2026-02-28", "2026-11-30", "1999-12-31"],
    "time": ["23:59:59Z", "00:00:00.25+02:00"],
    "date-time": ["2026-11-30T17:12:05Z"],
    "duration": ["P1D", "PT30S", "P2W", "P1DT2H"],
    "uuid": ["123e4567-e89b-12d3-a456-426614174000"],
    "ipv4": ["0.0.0.0", "192.168.1.255"],
    "ipv6": ["2001:db8:0:0:0:0:0:1"],
    "hostname": ["pi-1", "node.ran.example"],
    "email": ["a.b+c@ran.example"],
}
WRONG = {
    "date": ["2026-02-30", "2026-04-31", "2026-13-01", "26-01-01"],
    "time": ["24:00:00Z", "12:60:00Z", "12:00:00"],
    "date-time": ["2026-11-30 17:12:05Z", "2026-11-30"],
    "duration": ["P", "1D", "PT"],
    "uuid": ["123e4567e89b12d3a456426614174000"],
    "ipv4": ["256.1.1.1", "1.2.3", "01.2.3.4"],
    "ipv6": ["12345::1", "::"],
    "hostname": ["-a", "a..b", "a_b"],
    "email": ["a@b", "@ran.example", "a@-b.c"],
}


def machine(name: str) -> Machine:
    made = Machine(schema_program({"type": "string", "format": name}))
    made.left = 10**9
    return made


@pytest.mark.parametrize("name", PATTERNS)
def test_every_text_has_the_format(name: str) -> None:
    follower, random = machine(name), Random(1)
    texts = [json.loads(text) for _ in range(NUM_TEXTS) if (text := walk(follower, random)) is not None]
    assert len(texts) > NUM_TEXTS / 2
    for text in texts:
        READERS[name](text)


@pytest.mark.parametrize("name", PATTERNS)
def test_usual_texts_can_be_written_and_wrong_ones_cannot(name: str) -> None:
    follower = machine(name)
    assert [text for text in KNOWN[name] if not matches(follower, json.dumps(text))] == []
    assert [text for text in WRONG[name] if matches(follower, json.dumps(text))] == []
