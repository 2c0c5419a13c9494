"""Task files, good and bad: an error names the file and the key."""

import pytest

from xapp.domain.task import InputType, Kind, Level, TaskInput
from xapp.errors import ConfigError
from xapp.tasks.parse import parse_task

GENERATE = """\
name: triage
version: 2
description: What is wrong.
kind: generate
prompt: "Line {{ line }}"
inputs:
  line: {type: string, description: A line., schema: {maxLength: 8}}
"""
SCORE = """\
name: class
version: 1
description: Which one.
kind: score
prompt: Which?
choices: [a, b]
"""


def test_what_a_file_says() -> None:
    more = "max_tokens: 8\ndefault_deadline: 1.5s\nmax_input_age: 500ms\npriority: batch\nmodel: m\n"
    task = parse_task(GENERATE + more, "t.yaml")
    assert (task.label, task.kind, task.source, task.model) == ("triage@2", Kind.GENERATE, "t.yaml", "m")
    assert (task.default_deadline_s, task.max_input_age_s, task.max_tokens) == (1.5, 0.5, 8)
    assert task.priority is Level.BATCH
    assert task.inputs == (TaskInput("line", InputType.STRING, "A line.", False, {"maxLength": 8}),)
    assert task.inputs[0].json_schema == '{"type": "string", "maxLength": 8}'


def test_a_schema_keeps_the_order_of_its_properties() -> None:
    schema = "json_schema: {type: object, properties: {z: {type: string}, a: {type: string}}}\n"
    text = parse_task(GENERATE + schema, "t.yaml").json_schema
    assert text.index('"z"') < text.index('"a"')


def test_a_score_task() -> None:
    task = parse_task(SCORE + "min_margin: 0.25\nnormalize_by_length: true\n", "s.yaml")
    assert (task.choices, task.min_margin, task.normalize_by_length) == (("a", "b"), 0.25, True)


@pytest.mark.parametrize(
    ("text", "key", "why"),
    [
        (GENERATE.replace("version: 2\n", ""), "version", "is missing"),
        (GENERATE + "colour: red\n", "colour", "no such field"),
        (GENERATE.replace("version: 2", "version: two"), "version", "int"),
        (GENERATE.replace("version: 2", "version: 0"), "version", ">= 1"),
        (GENERATE.replace("name: triage", "name: Tri age"), "name", "regex"),
        (GENERATE.replace("kind: generate", "kind: guess"), "kind", "guess"),
        (GENERATE.replace("type: string", "type: text"), "inputs.line.type", "text"),
        (GENERATE.replace("description: A line.", "about: A line."), "inputs.line.about", "no such field"),
        (GENERATE.replace("  line:", "  Line:"), "inputs.Line", "is no name"),
        (GENERATE.replace("{maxLength: 8}", "{type: string}"), "inputs.line.schema.type", "beside schema"),
        (GENERATE + "default_deadline: 5\n", "default_deadline", "str"),
        (GENERATE + "default_deadline: soon\n", "default_deadline", "no duration"),
        (GENERATE + "max_input_age: 25h\n", "max_input_age", "no duration"),
        (GENERATE + "json_schema: {}\nchoices: [a]\n", "choices", "beside json_schema"),
        (GENERATE + "json_schema: {const: 2026-01-01}\n", "json_schema", "JSON serializable"),
        (GENERATE + "min_margin: 0.5\n", "min_margin", "kind generate"),
        (SCORE.replace("choices: [a, b]\n", ""), "choices", "is missing"),
        (SCORE.replace("[a, b]", "[a, a]"), "choices", "twice"),
        (SCORE.replace("[a, b]", "[yes, no]"), "choices[0]", "bool"),
        (SCORE.replace("[a, b]", str([str(n) for n in range(257)])), "choices", "256"),
        (SCORE + "max_tokens: 8\n", "max_tokens", "kind score"),
    ],
)
def test_a_bad_key_is_named_with_its_file(text: str, key: str, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_task(text, "t.yaml")
    assert caught.value.key == f"t.yaml: {key}"
    assert why in caught.value.message


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("name: [", "line 2"),
        ("- a\n- b\n", "is no mapping"),
        ("", "is no mapping"),
        (GENERATE + "name: other\n", "line 8: the key 'name' is there twice"),
        ("a: &x [1]\nb: *x\n", "line 2: aliases are not supported"),
        ("a: !!python/object:os.system x\n", "line 1"),
        ("? [1]\n: 2\n", "unhashable"),
    ],
)
def test_what_is_no_plain_yaml_is_refused_with_its_file(text: str, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_task(text, "t.yaml")
    assert caught.value.key == "t.yaml"
    assert why in caught.value.message
