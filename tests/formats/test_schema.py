"""JSON schemas as grammars: what a grammar accepts conforms, and what is refused is named."""

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tests.formats.schemas import schemas
from tests.grammar.walk import walk
from xapp.domain.format_kinds import FormatError
from xapp.formats.schema import MAX_REFS, schema_program
from xapp.formats.schema_text import MAX_BYTES, parse_schema
from xapp.grammar.machine import Machine
from xapp.grammar.progress import matches


def machine(schema: Any) -> Machine:
    found = Machine(schema_program(parse_schema(json.dumps(schema))))
    found.left = 10**9
    return found


@given(schemas(), st.integers(0, 2**32))
def test_what_the_grammar_accepts_conforms(schema: Any, seed: int) -> None:
    follower, random = machine(schema), Random(seed)
    validator = Draft202012Validator(schema)
    for _ in range(5):
        text = walk(follower, random)
        if text is not None:
            validator.validate(json.loads(text))


@given(schemas(), st.integers(0, 2**32))
def test_a_text_comes_to_an_end(schema: Any, seed: int) -> None:
    random = Random(seed)
    assert any(walk(machine(schema), random, 5000) is not None for _ in range(5))


@pytest.mark.parametrize(
    ("schema", "yes", "no"),
    [
        ({"type": "boolean"}, ["true", "false"], ["1", '"true"', "null", " true", "true "]),
        (
            {"type": "string", "minLength": 2, "maxLength": 3},
            ['"ab"', '"é€x"', r'"\n\u00e9"'],
            ['"a"', '"abcd"'],
        ),
        ({"type": "string"}, ['""', '"\U0001f600"'], ['"\n"', r'"\ud800"', r'"\x"', '"a']),
        ({"type": "string", "pattern": "b"}, ['"abc"', '"b"'], ['"ac"', '""']),
        ({"type": "string", "pattern": '^"$'}, [r'"\""'], ['"""', r'"\\"']),
        (
            {"enum": ["a", 1, 1.50, None, {"k": [True]}]},
            ['"a"', "1", "1.5", "null", '{"k":[true]}'],
            ["2", "a"],
        ),
        ({"const": "x"}, ['"x"'], ['"y"']),
        (
            {"type": "array", "items": {"const": 1}},
            ["[]", "[1]", "[1, 1,1]"],
            ["[1,]", "[,1]", "[1  ,1]", "[2]"],
        ),
        (
            {"type": "array", "items": {"const": 1}, "minItems": 2, "maxItems": 3},
            ["[1,1]", "[1,1,1]"],
            ["[1]"],
        ),
        ({"type": "array", "maxItems": 0}, ["[]"], ["[1]"]),
        ({"minimum": 3, "maximum": 4, "type": "integer"}, ["3", "4"], ["2", "5", "3.0", "03", "-3"]),
        ({"type": "integer"}, ["0", "-1", "9" * 15], ["-0", "00", "9" * 16, "1.5", "1e3"]),
        ({"type": "number"}, ["0", "-1.5", "1e9", "0.000001", "1.5E-07"], [".5", "1.", "+1", "NaN"]),
        (
            {"type": "number", "exclusiveMinimum": 0, "maximum": 0.5},
            ["0.5", "0.000001", "0.49"],
            ["0", "0.51", "0.0"],
        ),
        (
            {"type": "number", "minimum": 0.5, "exclusiveMinimum": 0.5, "maximum": 1},
            ["0.6", "1", "1.0"],
            ["0.5"],
        ),
        ({"type": "object"}, ["{}", '{"a":{"b": [1]},"a":2}'], ["[]"]),
        ({"type": "object", "additionalProperties": False}, ["{}"], ['{"a":1}']),
        ({"type": "object", "additionalProperties": {"const": 1}}, ["{}", '{"a":1}'], ['{"a":2}']),
        ({}, ["1", '{"a":[null]}'], ["", "[[[[1]]]]"]),
        ({"allOf": [{"const": 1}], "title": "one"}, ["1"], ["2"]),
        ({"oneOf": [{"const": 1}, {"type": "null"}]}, ["1", "null"], ["2"]),
        ({"type": ["null", "string"], "maxLength": 1}, ["null", '"a"'], ['"ab"']),
        ({"$ref": "#/$defs/x%20y", "$defs": {"x y": {"const": 1}}}, ["1"], ["2"]),
        ({"$ref": "#/definitions/a~1b", "definitions": {"a/b": {"const": 1}}}, ["1"], ["2"]),
        ({"$id": "https://example.org/s", "type": "null"}, ["null"], ["1"]),
    ],
)
def test_texts(schema: Any, yes: list[str], no: list[str]) -> None:
    follower = machine(schema)
    assert [each for each in yes if not matches(follower, each)] == []
    assert [each for each in no if matches(follower, each)] == []
    for each in yes:
        Draft202012Validator(schema).validate(json.loads(each))


def test_keys_come_in_their_order_and_those_not_required_may_be_left_out() -> None:
    one = {"const": 1}
    schema = {"type": "object", "properties": {"a": one, "b": one, "c": one, "d": one}, "required": ["c"]}
    follower = machine(schema)
    for names in ("c", "ac", "bc", "abc", "cd", "abcd"):
        assert matches(follower, "{" + ",".join(f'"{name}":1' for name in names) + "}"), names
    for names in ("", "a", "ab", "ca", "d", "cc", "abd"):
        assert not matches(follower, "{" + ",".join(f'"{name}":1' for name in names) + "}"), names


@pytest.mark.parametrize(
    ("low", "high"), [(-17, 233), (0, 9), (5, 5), (99, 1001), (-1000, -1), (-3, 0), (None, 12), (-12, None)]
)
def test_every_integer_is_on_the_right_side_of_its_bounds(low: int | None, high: int | None) -> None:
    bounds = {key: value for key, value in (("minimum", low), ("maximum", high)) if value is not None}
    follower = machine({"type": "integer", **bounds})
    for value in range(-1100, 1100):
        within = (low is None or low <= value) and (high is None or value <= high)
        assert matches(follower, str(value)) == within, value


@pytest.mark.parametrize(
    ("low", "high"), [(-1.7, 2.33), (0, 0.9), (0.5, 0.5), (9.99, 10.01), (-10, -0.01), (-0.3, 0), (1, 2)]
)
def test_every_number_is_on_the_right_side_of_its_bounds(low: float, high: float) -> None:
    follower = machine({"type": "number", "minimum": low, "maximum": high})
    for hundredths in range(-1100, 1100):
        text = f"{hundredths / 100:.2f}"
        assert matches(follower, text) == (low <= hundredths / 100 <= high), text


TREE = {
    "$ref": "#/$defs/node",
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "v": {"type": "null"},
                "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"const": 0}]},
            },
            "required": ["v", "next"],
        }
    },
}


def test_recursion_ends_at_a_depth() -> None:
    def nested(depth: int) -> str:
        return '{"v":null,"next":' * depth + "0" + "}" * depth

    follower = machine(TREE)
    assert matches(follower, nested(1))
    assert matches(follower, nested(MAX_REFS))
    assert not matches(follower, nested(MAX_REFS + 1))


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"properties": {"a": {"not": {}}}}, "/properties/a/not: unsupported keyword"),
        ({"properties": {"a/b~c": {"if": {}}}}, "/properties/a~1b~0c/if: unsupported keyword"),
        ({"multipleOf": 2, "type": "integer"}, "/multipleOf: unsupported keyword"),
        ({"items": {"type": "string", "format": "fax"}}, "/items/format: 'fax' is none of date, time"),
        ({"type": "string", "format": ["date"]}, "/format: \"['date']\" is none of"),
        ({"type": "string", "format": "date", "pattern": "a"}, "/format: is not supported beside pattern"),
        ({"type": "string", "format": "date", "minLength": 1}, "/format: is not supported beside a length"),
        ({"type": "integer", "format": "int64"}, "/format: says nothing about type integer"),
        ({"items": {"$id": "x"}}, "/items/$id: unsupported keyword"),
        ({"type": "string", "minimum": 1}, "/minimum: says nothing about type string"),
        ({"type": "text"}, "/type: 'text' is no type"),
        ({"type": []}, "/type: is no type"),
        ({"type": [["a"]]}, "/type: is no type"),
        (
            {"type": "integer", "minimum": 5, "maximum": 4},
            "/minimum: no integer is within minimum 5 and maximum 4",
        ),
        ({"type": "integer", "exclusiveMinimum": 5, "exclusiveMaximum": 6}, "/exclusiveMinimum: no integer"),
        ({"type": "integer", "minimum": 0.2, "maximum": 0.8}, "/minimum: no integer"),
        ({"type": "number", "minimum": 2.5, "maximum": 2.4}, "/minimum: no number"),
        ({"type": "number", "minimum": 1e300}, "/minimum: must be within"),
        ({"type": "integer", "minimum": "1"}, "/minimum: must be a number"),
        ({"type": "string", "minLength": 3, "maxLength": 2}, "/minLength: 3 is more than maxLength, 2"),
        ({"type": "string", "maxLength": -1}, "/maxLength: must be a whole number from 0"),
        ({"type": "string", "maxLength": 10**9}, "/maxLength: must be a whole number from 0 to 100000"),
        ({"type": "array", "minItems": 2, "maxItems": 1}, "/minItems: 2 is more than maxItems, 1"),
        ({"enum": []}, "/enum: must be a list of 1 to"),
        ({"enum": [1, "a"], "type": "integer"}, "/enum/1: is not of type integer"),
        ({"const": 1.5, "type": "integer"}, "/const: is not of type integer"),
        ({"enum": [1], "minimum": 0}, "/minimum: is not supported beside enum"),
        ({"enum": ["\ud800"]}, "/enum: has half of a surrogate pair"),
        ({"properties": {}, "required": ["a"]}, "/required/0: 'a' is not in properties"),
        ({"properties": {"a": 1}}, "/properties/a: is no schema"),
        ({"properties": [1]}, "/properties: must be an object"),
        ({"properties": {str(n): True for n in range(129)}}, "/properties: must be an object of at most 128"),
        (
            {"$ref": "https://example.org/s.json"},
            "/$ref: 'https://example.org/s.json' is not in this document",
        ),
        ({"$ref": "other.json#/a"}, "/$ref: 'other.json#/a' is not in this document"),
        ({"$ref": "#/$defs/x"}, "/$ref: '#/$defs/x' is not in this document"),
        ({"$ref": "#anchor"}, "/$ref: '#anchor': anchors are not supported"),
        ({"$ref": 1}, "/$ref: must be a text"),
        ({"$ref": "#", "type": "null"}, "/type: is not supported beside $ref"),
        ({"$ref": "#"}, "no text matches"),
        ({"properties": {"a": {"$ref": "#"}}, "required": ["a"]}, "no text matches"),
        ({"allOf": [True, True]}, "/allOf: must be a list of 1 to 1 schemas"),
        ({"anyOf": []}, "/anyOf: must be a list of 1 to"),
        ({"type": "string", "pattern": "("}, "/pattern: character 1: this group is not closed"),
        ({"type": "string", "pattern": "a(?=b)"}, "/pattern: character 4: groups other than"),
        ({"type": "string", "pattern": r"(a)\1"}, "/pattern: character 5: the escape \\1 is not supported"),
        ({"type": "string", "pattern": "a{2,1}"}, "/pattern: rule 'root': a repetition of at least 2"),
        ({"type": "string", "pattern": "(a?){1000}"}, "/pattern: rule 'root': repeats what may be empty"),
        ({"type": "string", "pattern": "a" * 600}, "/pattern: a pattern of more than 512 characters"),
        ({"type": "string", "pattern": "a", "maxLength": 1}, "/pattern: is not supported beside a length"),
        ({"type": "string", "pattern": 1}, "/pattern: must be a text"),
        (False, "is no schema"),
        ([], "is no schema"),
    ],
)
def test_refused(schema: Any, message: str) -> None:
    with pytest.raises(FormatError) as caught:
        machine(schema)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"type": "string"', "is no JSON: line 1"),
        ('{"minimum": NaN}', "is no JSON: NaN"),
        ('{"type": "null", "type": "string"}', "has the key 'type' twice"),
        ('{"const": ' + "9" * 5000 + "}", "is no JSON"),
        ("[" * 100 + "]" * 100, "nests deeper than 64"),
        ("[" * 15_000, "nests deeper than 64"),
        (json.dumps({"description": "x" * 1_000_000}), f"is larger than {MAX_BYTES} bytes"),
    ],
    ids=["cut", "nan", "key twice", "long number", "deep", "deeper", "1 MB"],
)
def test_text_that_is_refused(text: str, message: str) -> None:
    with pytest.raises(FormatError) as caught:
        schema_program(parse_schema(text))
    assert message in str(caught.value)


def bomb(levels: int) -> dict[str, Any]:
    """Each definition has many of the next one: written out, exponentially large."""
    defs: dict[str, Any] = {
        f"d{n}": {"type": "array", "items": {"$ref": f"#/$defs/d{n + 1}"}} for n in range(levels)
    }
    return {"$ref": "#/$defs/d0", "$defs": {**defs, f"d{levels}": {"anyOf": [{"$ref": "#/$defs/d0"}] * 200}}}


def many_ways() -> dict[str, Any]:
    """Recursion through every one of many properties."""
    properties = {f"p{n}": {"anyOf": [{"$ref": "#"}, {"type": "null"}]} for n in range(100)}
    return {"type": "object", "properties": properties}


@pytest.mark.parametrize("schema", [bomb(5), bomb(40), many_ways()], ids=["shallow", "deep", "wide"])
def test_recursive_bombs_are_small_or_refused(schema: Any) -> None:
    try:
        program = schema_program(parse_schema(json.dumps(schema)))
    except FormatError as error:
        assert "more than" in str(error)  # noqa: PT017  either is right
    else:
        assert len(program.encode()) < 200_000


def test_a_catastrophic_pattern_takes_linear_work() -> None:
    follower = machine({"type": "string", "pattern": "^(a+)+$"})
    spent = []
    for length in (100, 200):
        before = follower.left
        assert not matches(follower, '"' + "a" * length + 'b"')
        spent.append(before - follower.left)
    # The second time only the last characters are new.
    assert spent[1] <= spent[0]
    assert spent[0] < 5000
