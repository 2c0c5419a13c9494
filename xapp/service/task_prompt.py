"""A task's prompt template: compiled and checked when the task is read, rendered for each request.

Its source is the operator's, the values are a caller's: both stay within the sandbox's bounds.
"""

import json
from collections.abc import Mapping
from typing import Any

import jinja2
import jinja2.nodes
from jinja2.meta import find_undeclared_variables

from xapp.errors import InvalidArgument
from xapp.tasks.definition import Task
from xapp.tasks.parse import fault
from xapp.text.budget import Budget, measured, spending
from xapp.text.sandbox import FAULTS, Sandbox

MAX_RENDER_UNITS = 100_000


class TaskPrompt:
    """`prompt` of one task. Raises ConfigError when it is no template or names what is no input."""

    def __init__(self, task: Task) -> None:
        self._optional = dict.fromkeys(each.name for each in task.inputs if each.optional)
        sandbox = Sandbox({"tojson": _to_json}, {})
        sandbox.undefined = jinja2.StrictUndefined
        try:
            with spending(Budget()):
                parsed = sandbox.parse(task.prompt)
                named = find_undeclared_variables(parsed)
                self.literal_start = _literal_start(parsed)
                """The text that all prompts of the task begin with."""
                self._template = sandbox.from_string(task.prompt)
        except FAULTS as error:
            raise fault(task.source, "prompt", _describe(error)) from error
        declared = {each.name for each in task.inputs}
        if unknown := sorted(named - declared - sandbox.globals.keys()):
            raise fault(task.source, "prompt", f"names {unknown[0]!r}, which is no input")

    def render(self, inputs: Mapping[str, Any]) -> str:
        """The user's turn; an optional input that was left out is None. Raises InvalidArgument."""
        try:
            with spending(Budget(MAX_RENDER_UNITS)):
                return self._template.render({**self._optional, **inputs})
        except FAULTS as error:
            raise InvalidArgument(
                "inputs", f"the task's prompt cannot take them: {_describe(error)}"
            ) from error


def _literal_start(template: jinja2.nodes.Template) -> str:
    text = ""
    for part in (part for node in template.body for part in _parts(node)):
        if not isinstance(part, jinja2.nodes.TemplateData):
            break
        text += part.data
    return text


def _parts(node: jinja2.nodes.Node) -> list[jinja2.nodes.Expr] | list[jinja2.nodes.Node]:
    return node.nodes if isinstance(node, jinja2.nodes.Output) else [node]


def _describe(error: BaseException) -> str:
    line = getattr(error, "lineno", None)
    where = f"line {line}: " if line is not None else ""
    return f"{where}{type(error).__name__}: {error}"[:300]


def _to_json(value: Any) -> str:
    result: str = measured(json.dumps(measured(value), ensure_ascii=False))
    return result
