"""TaskTemplate: the prompt of a task, from an operator's source and a caller's values.

Both are confined to the sandbox. A missing name is a fault.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import jinja2
import jinja2.nodes
from jinja2.meta import find_undeclared_variables

from xapp.errors import InvalidArgument
from xapp.text.budget import Budget, measured, spending
from xapp.text.sandbox import FAULTS, Sandbox

MAX_RENDER_UNITS = 100_000
MAX_COMPILED = 256


class BadTemplate(Exception):
    """The source is not a template, or is not allowed. The message has the reason."""


class TaskTemplate:
    """One compiled template. Raises BadTemplate.

    `names` are the required names of values. `literal_start` is the common beginning of all results.
    """

    def __init__(self, source: str) -> None:
        sandbox = Sandbox({"tojson": _to_json}, {})
        sandbox.undefined = jinja2.StrictUndefined
        try:
            with spending(Budget()):
                parsed = sandbox.parse(source)
                self.names = find_undeclared_variables(parsed) - sandbox.globals.keys()
                self.literal_start = _literal_start(parsed)
                self._template = sandbox.from_string(source)
        except FAULTS as error:
            raise BadTemplate(_describe(error)) from error

    def render(self, values: Mapping[str, Any]) -> str:
        """Raises InvalidArgument with field `inputs`."""
        try:
            with spending(Budget(MAX_RENDER_UNITS)):
                return self._template.render(values)
        except FAULTS as error:
            raise InvalidArgument(
                "inputs", f"the task's prompt cannot take them: {_describe(error)}"
            ) from error


def render(source: str, values: Mapping[str, Any]) -> str:
    """Renders with a template that is compiled once. Raises InvalidArgument with field `inputs`."""
    try:
        template = _compiled(source)
    except BadTemplate as error:
        raise InvalidArgument("inputs", f"the task's prompt is no template here: {error}") from error
    return template.render(values)


@lru_cache(maxsize=MAX_COMPILED)
def _compiled(source: str) -> TaskTemplate:
    return TaskTemplate(source)


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
