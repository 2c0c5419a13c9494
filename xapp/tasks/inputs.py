"""Checks a request's inputs against the declarations of its task."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import msgspec

from xapp.domain.format_kinds import FormatError
from xapp.domain.task import InputType, Task, TaskInput
from xapp.errors import InvalidArgument
from xapp.formats.schema import schema_program
from xapp.formats.schema_text import parse_schema
from xapp.grammar.expr import GrammarError
from xapp.tasks.parse import fault

Check: TypeAlias = Callable[[Sequence[tuple[str, str]]], Awaitable[list[str]]]
"""Returns for each schema and JSON text the fault, or ""."""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_IS: Mapping[InputType, Callable[[Any], bool]] = {
    InputType.STRING: lambda value: isinstance(value, str),
    InputType.NUMBER: _is_number,
    InputType.INTEGER: lambda value: _is_number(value) and value == int(value),
    InputType.BOOLEAN: lambda value: isinstance(value, bool),
    InputType.ARRAY: lambda value: isinstance(value, list),
    InputType.OBJECT: lambda value: isinstance(value, dict),
}


class TaskInputs:
    """The inputs of one task. Raises ConfigError for an invalid schema."""

    def __init__(self, task: Task) -> None:
        self._declared = {each.name: each for each in task.inputs}
        for each in task.inputs:
            check_schema(each.json_schema, task.source, f"inputs.{each.name}.schema")

    def check(self, inputs: Mapping[str, Any]) -> None:
        """Checks names and types. Raises InvalidArgument with `inputs.NAME`."""
        for name in inputs:
            if name not in self._declared:
                raise InvalidArgument(f"inputs.{name[:80]}", f"is no input: there are {self._names}")
        for name, declared in self._declared.items():
            if name in inputs:
                _check_one(declared, inputs[name])
            elif not declared.optional:
                raise InvalidArgument(f"inputs.{name}", f"is missing: {declared.description}")

    async def check_details(self, inputs: Mapping[str, Any], check: Check) -> None:
        """Checks the rest of each schema. Raises InvalidArgument with `inputs.NAME`."""
        held = [each for name, each in self._declared.items() if name in inputs and each.details]
        if not held:
            return
        pairs = [(each.json_schema, msgspec.json.encode(inputs[each.name]).decode()) for each in held]
        with _named_after(held):
            faults = await check(pairs)
        for each, message in zip(held, faults, strict=True):
            if message:
                raise InvalidArgument(f"inputs.{each.name}", message)

    @property
    def _names(self) -> str:
        return ", ".join(self._declared) or "none"


def check_schema(text: str, source: str, key: str) -> None:
    """Raises ConfigError for a schema that the service does not support."""
    try:
        schema_program(parse_schema(text))
    except (FormatError, GrammarError) as error:
        raise fault(source, key, str(error)) from error


def _check_one(declared: TaskInput, value: Any) -> None:
    field = f"inputs.{declared.name}"
    if not _IS[declared.type](value):
        raise InvalidArgument(field, f"must be of type {declared.type}")


@contextmanager
def _named_after(held: Sequence[TaskInput]) -> Iterator[None]:
    """Names all inputs in an error where the check took too much work, since the cause among them
    is unknown.
    """
    try:
        yield
    except InvalidArgument as error:
        field = f"inputs.{held[0].name}" if len(held) == 1 else "inputs"
        raise InvalidArgument(field, error.description, reason=error.reason) from error
