"""Converts a requested format for the worker and for the check of the answer."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from xapp.domain.format_kinds import Choices, Format, FormatError, Grammar, JsonSchema, ToolCalls
from xapp.errors import InvalidArgument
from xapp.formats.schema import schema_program
from xapp.formats.schema_text import parse_schema
from xapp.formats.tool_calls import tool_program
from xapp.grammar.compile import compile_rules
from xapp.grammar.expr import GrammarError, Text, alt
from xapp.grammar.gbnf import read_gbnf
from xapp.grammar.machine import MAX_WORK, Machine, TooAmbiguous
from xapp.grammar.program import Program
from xapp.grammar.progress import matches
from xapp.one_thread import OneThread

MAX_CHOICES = 256
MAX_CHOICE_BYTES = 1024
MAX_REMEMBERED = 64
MAX_CHECK_WORK = 20 * MAX_WORK
FIELDS = {
    JsonSchema: "format.json_schema",
    Grammar: "format.grammar",
    Choices: "format.choices",
    ToolCalls: "tools",
}


@dataclass(frozen=True, slots=True)
class Prepared:
    """`program` is an encoded grammar for the worker.

    `conforms` checks a complete answer. It is None for a schema, whose check may take long, and for tools.
    """

    field: str
    program: bytes
    conforms: Callable[[str], bool] | None


class Formats:
    """Prepares formats and checks answers in a thread of its own.

    It remembers the latest formats, each within a scope.
    """

    def __init__(self) -> None:
        self._prepared: OrderedDict[tuple[str, Format], Prepared] = OrderedDict()
        self._thread = OneThread("format", "formats")

    async def prepare(self, wanted: Format, scope: str = "") -> Prepared:
        """Raises InvalidArgument with the field, and in a schema the place; Exhausted."""
        key = (scope, wanted)
        known = self._prepared.get(key)
        if known is None:
            known = await self._thread.run_for_caller(partial(prepare, wanted))
            self._prepared[key] = known
        self._prepared.move_to_end(key)
        if len(self._prepared) > MAX_REMEMBERED:
            self._prepared.popitem(last=False)
        return known

    async def conforms(self, conforms: Callable[[str], bool], text: str) -> bool:
        """Whether a complete answer conforms: `Prepared.conforms` in the thread."""
        return await self._thread.run_for_caller(partial(conforms, text))

    def close(self) -> None:
        """Ends the thread once it is idle."""
        self._thread.close()


def prepare(wanted: Format) -> Prepared:
    """Raises InvalidArgument."""
    field = FIELDS[type(wanted)]
    try:
        program = _program(wanted)
        machine = Machine(program)
    except (FormatError, GrammarError) as error:
        raise InvalidArgument(field, str(error)) from error
    except TooAmbiguous:
        raise InvalidArgument(field, "takes too much work: it begins in too many ways") from None
    if not (machine.start.stacks or machine.start.accepting):
        raise InvalidArgument(field, "no text matches")
    return Prepared(field, program.encode(), _check_of(wanted, machine))


def _program(wanted: Format) -> Program:
    match wanted:
        case JsonSchema(text):
            return schema_program(parse_schema(text))
        case Grammar(text):
            return compile_rules(read_gbnf(text))
        case Choices(texts):
            return compile_rules({"root": alt(*map(Text, _checked(texts)))})
        case ToolCalls():
            return tool_program(wanted)


def _checked(texts: tuple[str, ...]) -> tuple[str, ...]:
    if not 1 <= len(texts) <= MAX_CHOICES:
        raise FormatError("", f"{len(texts)} choices: there must be 1 to {MAX_CHOICES}")
    for text in texts:
        if not 1 <= len(text.encode()) <= MAX_CHOICE_BYTES:
            raise FormatError("", f"{text[:40]!r}: a choice must be 1 to {MAX_CHOICE_BYTES} bytes of UTF-8")
    if len(set(texts)) < len(texts):
        twice = next(text for text in texts if texts.count(text) > 1)
        raise FormatError("", f"{twice[:40]!r} is there twice")
    return texts


def _check_of(wanted: Format, machine: Machine) -> Callable[[str], bool] | None:
    match wanted:
        case JsonSchema() | ToolCalls():
            return None
        case Grammar():
            return lambda text: _matches(machine, text)
        case Choices(texts):
            return frozenset(texts).__contains__


def _matches(machine: Machine, text: str) -> bool:
    machine.left = MAX_CHECK_WORK
    try:
        return matches(machine, text)
    except TooAmbiguous:
        return False
