"""A request's inputs against what its task declares."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from xapp.domain.format_kinds import FormatError
from xapp.domain.task import InputType, Task, TaskInput
from xapp.errors import InvalidArgument
from xapp.formats.schema import schema_program
from xapp.formats.schema_text import parse_schema
from xapp.grammar.expr import GrammarError
from xapp.tasks.parse import fault

if TYPE_CHECKING:
    from xapp.formats.validate import Validator


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
    """The inputs of one task. Raises ConfigError for a schema that is none."""

    def __init__(self, task: Task) -> None:
        self._declared = {each.name: each for each in task.inputs}
        for each in task.inputs:
            check_schema(each.json_schema, task.source, f"inputs.{each.name}.schema")

    def check(self, inputs: Mapping[str, Any]) -> None:
        """Raises InvalidArgument naming `inputs.NAME`."""
        for name in inputs:
            if name not in self._declared:
                raise InvalidArgument(f"inputs.{name[:80]}", f"is no input: there are {self._names}")
        for name, declared in self._declared.items():
            if name in inputs:
                _check_one(declared, inputs[name])
            elif not declared.optional:
                raise InvalidArgument(f"inputs.{name}", f"is missing: {declared.description}")

    @property
    def _names(self) -> str:
        return ", ".join(self._declared) or "none"


def check_schema(text: str, source: str, key: str) -> None:
    """Whether the schema is one of those that the service understands. Raises ConfigError."""
    try:
        schema_program(parse_schema(text))
    except (FormatError, GrammarError) as error:
        raise fault(source, key, str(error)) from error


def _check_one(declared: TaskInput, value: Any) -> None:
    field = f"inputs.{declared.name}"
    if not _IS[declared.type](value):
        raise InvalidArgument(field, f"must be of type {declared.type}")
    if declared.details and (message := _validator(declared.json_schema).fault(value)):
        raise InvalidArgument(field, message)


@lru_cache(maxsize=256)
def _validator(schema_text: str) -> "Validator":
    # Imported here: 10 MB and 0.1 s that a node whose tasks are not asked does without.
    from xapp.formats.validate import Validator  # noqa: PLC0415

    return Validator(schema_text)
