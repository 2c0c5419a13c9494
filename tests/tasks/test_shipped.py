"""The shipped tasks: what can be said of them without a model."""

import json
import re
from typing import Any

import pytest

from xapp.domain.task import Kind, Task
from xapp.tasks.folder import read_folder, read_tasks, shipped_dir

TASKS = read_tasks(read_folder(shipped_dir()))


def longest(schema: dict[str, Any]) -> Any:
    """A value that is written with as many characters as any that conforms."""
    if "enum" in schema:
        return max(schema["enum"], key=lambda value: len(json.dumps(value)))
    if "const" in schema:
        return schema["const"]
    match schema["type"]:
        case "object":
            return {name: longest(value) for name, value in schema["properties"].items()}
        case "array":
            return [longest(schema["items"])] * schema["maxItems"]
        case "string":
            (most,) = re.findall(r"[{,](\d+)\}\$$", schema["pattern"])
            return "x" * (int(most) + 1)
        case "integer":
            return schema["maximum"]
        case "boolean":
            return False
    raise AssertionError(schema)


@pytest.mark.parametrize(
    "task", [task for task in TASKS if task.kind is Kind.GENERATE], ids=lambda task: task.name
)
def test_no_answer_is_cut(task: Task) -> None:
    """A token is a character at least: patterns keep to ASCII."""
    assert task.max_tokens is not None
    assert len(json.dumps(longest(json.loads(task.json_schema)))) < task.max_tokens


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_they_have_a_deadline_and_say_what_they_take(task: Task) -> None:
    assert task.default_deadline_s is not None
    assert task.inputs


def test_a_policy_is_a_draft() -> None:
    (task,) = [task for task in TASKS if task.name == "intent-to-a1-policy"]
    schema = json.loads(task.json_schema)
    assert schema["properties"]["dry_run"] == {"const": True}
    assert "dry_run" in schema["required"]
