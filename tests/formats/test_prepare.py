"""Formats as they are asked for: checked once, remembered, and their answers validated."""

import asyncio
import json
import threading
from typing import Any

import pytest

from xapp.domain.format_kinds import Choices, Format, Grammar, JsonSchema
from xapp.errors import Exhausted, InvalidArgument
from xapp.formats import prepare as module
from xapp.formats.prepare import Formats, prepare
from xapp.grammar.machine import Machine
from xapp.grammar.program import decode_program
from xapp.grammar.progress import matches
from xapp.one_thread import MAX_PENDING


def schema(**fields: Any) -> JsonSchema:
    return JsonSchema(json.dumps(fields))


@pytest.mark.parametrize(
    ("wanted", "yes", "no"),
    [
        (Grammar('root ::= "a"+'), ["a", "aaa"], ["", "ab"]),
        (Choices(("yes", "no")), ["yes", "no"], ["", "ye", "yesno"]),
    ],
)
def test_answers_are_validated(wanted: Format, yes: list[str], no: list[str]) -> None:
    conforms = prepare(wanted).conforms
    assert conforms is not None
    assert [text for text in yes if not conforms(text)] == []
    assert [text for text in no if conforms(text)] == []


def test_choices_are_a_grammar() -> None:
    machine = Machine(decode_program(prepare(Choices(("yes", "yes, but", "nein €"))).program))
    assert all(matches(machine, text) for text in ("yes", "yes, but", "nein €"))
    assert not matches(machine, "yes, ")


def test_a_schema_is_left_to_a_process_that_has_a_limit() -> None:
    assert prepare(schema(type="string", pattern="^(a+)+$")).conforms is None


@pytest.mark.parametrize(
    ("wanted", "field", "message"),
    [
        (schema(**{"not": {}}), "format.json_schema", "/not: unsupported keyword"),
        (JsonSchema("{"), "format.json_schema", "is no JSON"),
        (JsonSchema(json.dumps({"title": "x" * 1_000_000})), "format.json_schema", "is larger than"),
        (Grammar("root ::= a"), "format.grammar", "there is no rule 'a'"),
        (Grammar("root ::= " + "(" * 5 + '"a"?' + "){0,16}" * 5), "format.grammar", "takes too much work"),
        (Choices(()), "format.choices", "there must be 1 to 256"),
        (Choices(tuple(map(str, range(257)))), "format.choices", "257 choices"),
        (Choices(("a", "")), "format.choices", "must be 1 to 1024 bytes"),
        (Choices(("a", "b", "a")), "format.choices", "'a' is there twice"),
        (Choices(("a" * 1025,)), "format.choices", "must be 1 to 1024 bytes"),
    ],
)
def test_what_is_refused_is_named(wanted: Format, field: str, message: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        prepare(wanted)
    assert caught.value.field == field
    assert message in caught.value.description


async def test_a_format_is_prepared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Format] = []

    def counting(wanted: Format) -> module.Prepared:
        calls.append(wanted)
        return prepare(wanted)

    monkeypatch.setattr(module, "prepare", counting)
    monkeypatch.setattr(module, "MAX_REMEMBERED", 2)
    formats = Formats()
    for text in ("a", "a", "b", "a", "c", "a", "b"):
        await formats.prepare(Choices((text,)))
    formats.close()
    assert [wanted.texts for wanted in calls if isinstance(wanted, Choices)] == [
        ("a",),
        ("b",),
        ("c",),
        ("b",),
    ]


async def test_a_format_of_another_scope_is_prepared_again(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def counting(wanted: Format) -> module.Prepared:
        calls.append(wanted)
        return prepare(wanted)

    monkeypatch.setattr(module, "prepare", counting)
    formats = Formats()
    for scope in ("principal me", "principal them", "principal me"):
        await formats.prepare(Choices(("a",)), scope)
    formats.close()
    assert len(calls) == 2


async def test_too_many_at_once_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def waiting(wanted: Format) -> module.Prepared:
        release.wait(30)
        return prepare(wanted)

    monkeypatch.setattr(module, "prepare", waiting)
    formats = Formats()
    async with asyncio.TaskGroup() as group:
        try:
            tasks = [group.create_task(formats.prepare(Choices((str(n),)))) for n in range(MAX_PENDING)]
            await asyncio.sleep(0)
            with pytest.raises(Exhausted):
                await formats.prepare(Choices(("one more",)))
        finally:
            release.set()
    assert all(task.done() for task in tasks)
    formats.close()
