"""The grammar of answers that call tools.

A call is `<tool_call>`, an object with the name and the arguments, `</tool_call>`. Its arguments conform to
the tool's schema. Where calls are not required, any text may come first: the grammar reads text until the
opening tag is complete, and only then holds the answer to the tools.
"""

from xapp.domain.chat import Tool
from xapp.domain.format_kinds import FormatError, ToolCalls, pointer
from xapp.formats.schema import SchemaRules
from xapp.formats.schema_text import parse_schema
from xapp.grammar.compile import compile_rules
from xapp.grammar.expr import (
    EMPTY,
    Chars,
    Expr,
    GrammarError,
    Ref,
    Repeat,
    Text,
    alt,
    char_class,
    invert,
    seq,
)
from xapp.grammar.program import Program

OPEN, CLOSE = "<tool_call>", "</tool_call>"
BEFORE_NAME, BEFORE_ARGUMENTS = '\n{"name": "', '", "arguments": '
AFTER_ARGUMENTS = "}\n" + CLOSE
MAX_CALLS = 16
"""Calls of one answer."""
MAX_TOOLS = 128
MAX_SCHEMA_BYTES = 256 * 1024
"""Bytes of the schemas of all tools."""
_NOT_TYPED = {"$ref", "anyOf", "oneOf", "allOf", "const", "enum"}


def tool_program(wanted: ToolCalls) -> Program:
    """Raises FormatError with the place, `/0/parameters` for the first tool."""
    _check_size(wanted.tools)
    schemas = SchemaRules()
    call = alt(*(_call(schemas, index, tool) for index, tool in enumerate(wanted.tools)))
    rules: dict[str, Expr] = {"call": call}
    more = Repeat(seq(Text("\n" + OPEN), Ref("call")), 0, MAX_CALLS - 1 if wanted.parallel else 0)
    calls = seq(Ref("call"), more)
    if wanted.required:
        rules["root"] = seq(Text(OPEN), calls)
    else:
        rules |= {"calls": calls, "root": _text_rule(0), **_text_before(OPEN, Ref("calls"))}
    try:
        return compile_rules(rules | schemas.rules())
    except GrammarError as error:
        raise FormatError("", str(error)) from None


def _check_size(tools: tuple[Tool, ...]) -> None:
    if not 1 <= len(tools) <= MAX_TOOLS:
        raise FormatError("", f"{len(tools)} tools: there must be 1 to {MAX_TOOLS}")
    if (size := sum(len(tool.parameters.encode(errors="replace")) for tool in tools)) > MAX_SCHEMA_BYTES:
        raise FormatError("", f"their schemas have {size} bytes, at most {MAX_SCHEMA_BYTES} are taken")


def _call(schemas: SchemaRules, index: int, tool: Tool) -> Expr:
    place = pointer(pointer("", index), "parameters")
    try:
        schema = parse_schema(tool.parameters)
    except FormatError as error:
        raise FormatError(place, str(error)) from None
    wanted = schemas.behind_references(schema, place)
    if not isinstance(wanted, dict) or wanted.get("type", "object") != "object" or wanted.keys() & _NOT_TYPED:
        raise FormatError(place, "must be the schema of an object")
    if wanted is schema:
        schema = {"type": "object", **schema}
    elif "type" not in wanted:
        raise FormatError(place, "must lead to a schema of the type object")
    arguments = schemas.add(schema, place)
    return seq(Text(f"{BEFORE_NAME}{tool.name}{BEFORE_ARGUMENTS}"), arguments, Text(AFTER_ARGUMENTS))


def _text_rule(matched: int) -> Ref:
    return Ref(f"text {matched}")


def _text_before(tag: str, after: Ref) -> dict[str, Expr]:
    """Any text without the tag, then perhaps the tag and `after`. A rule for each number of characters of
    the tag that the text ends with.
    """
    return {_text_rule(matched).name: _text(tag, matched, after) for matched in range(len(tag))}


def _text(tag: str, matched: int, after: Ref) -> Expr:
    known = "".join(sorted(set(tag)))
    ways: list[Expr] = [EMPTY, seq(Chars(invert(char_class(known).ranges)), _text_rule(0))]
    for char in known:
        then = _matched(tag, tag[:matched] + char)
        ways.append(seq(Text(char), after if then == len(tag) else _text_rule(then)))
    return alt(*ways)


def _matched(tag: str, text: str) -> int:
    """The number of characters of the tag that the text ends with."""
    return next(length for length in range(len(text), -1, -1) if tag.startswith(text[len(text) - length :]))
