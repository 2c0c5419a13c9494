"""Texts against JSON schemas: why they do not conform, and what is too much work to tell."""

import json
from typing import Any

import pytest

from xapp.formats import validate
from xapp.formats.validate import validator_of


def fault(schema: dict[str, Any], text: str) -> str:
    return validator_of(json.dumps(schema)).fault_of_text(text)


@pytest.mark.parametrize(
    ("schema", "yes", "no"),
    [
        ({"type": "integer", "maximum": 9}, ["9", "-3"], ["10", "", "x", "[9]"]),
        ({"type": "string", "pattern": "^(a+)+$"}, ['"aaa"'], ['"' + "a" * 1000 + 'b"', '"']),
        ({"oneOf": [{"minimum": 1, "type": "integer"}, {"const": 2}]}, ["1"], ["2", "0"]),
    ],
)
def test_conforming(schema: dict[str, Any], yes: list[str], no: list[str]) -> None:
    assert [text for text in yes if fault(schema, text)] == []
    assert [text for text in no if not fault(schema, text)] == []


def test_the_place_is_said() -> None:
    schema = {"type": "array", "items": {"type": "string", "pattern": "^C"}}
    assert fault(schema, '["C1", "D1"]') == "/1: '^C' is not found"
    assert fault(schema, "[1]") == "/0: 1 is not of type 'string'"
    assert fault(schema, "[") == "is no JSON"


def test_a_text_that_nests_too_deep_does_not_conform() -> None:
    assert fault({}, "[" * 100_000 + "]" * 100_000)


def test_the_strings_of_one_text_share_a_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each string within it, all together beyond it."""
    schema = {"type": "array", "items": {"type": "string", "pattern": "^(a|b)*a(a|b){40}$"}}
    strings = [f"{number:041b}".translate({48: "a", 49: "b"}) for number in range(0, 2**41, 2**36)]
    strings = [text if text[0] == "a" else "a" + text[1:] for text in strings]
    text = json.dumps(strings)
    validator = validate.Validator(json.dumps(schema))
    assert validator.fault_of_text(text) == ""
    used = validate.MAX_PATTERN_WORK - validator._left
    monkeypatch.setattr(validate, "MAX_PATTERN_WORK", used // 2)
    validator = validate.Validator(json.dumps(schema))
    assert validator.fault_of_text(json.dumps(strings[:1])) == ""
    assert "too much work" in validate.Validator(json.dumps(schema)).fault_of_text(text)
