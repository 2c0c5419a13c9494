"""Whether a finished answer conforms to its schema: jsonschema says so, its patterns matched by us."""

import json
from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend
from referencing.exceptions import Unresolvable

from xapp.formats.pattern import read_pattern
from xapp.grammar.compile import compile_rules
from xapp.grammar.machine import MAX_WORK, Machine, TooAmbiguous
from xapp.grammar.progress import matches
from xapp.text_file import without_mark

MAX_PATTERN_WORK = 50 * MAX_WORK
MAX_PLACE_CHARS = 80
MAX_MESSAGE_CHARS = 200


class Validator:
    """For one schema that was converted before: its references end within it, its patterns were read."""

    def __init__(self, schema_text: str) -> None:
        self._machines: dict[str, Machine] = {}
        keywords = {"pattern": self._check_pattern}
        validator: Any = extend(Draft202012Validator, keywords)  # type: ignore[no-untyped-call]
        self._validator = validator(json.loads(without_mark(schema_text)))

    def conforms(self, text: str) -> bool:
        """Whether the text is JSON and conforms."""
        try:
            return bool(self._validator.is_valid(json.loads(text)))
        except (ValueError, RecursionError, TooAmbiguous, Unresolvable):
            # No JSON, or too costly to tell: a caller who relies on it must not be told that it conforms.
            return False

    def fault(self, value: Any) -> str | None:
        """Where and why a value does not conform; None where it does."""
        try:
            error = next(iter(self._validator.iter_errors(value)), None)
        except (RecursionError, TooAmbiguous, Unresolvable):
            return "takes too much work to check"
        if error is None:
            return None
        place = "".join(f"/{step}" for step in error.absolute_path)[:MAX_PLACE_CHARS]
        return f"{place}: {error.message[:MAX_MESSAGE_CHARS]}" if place else error.message[:MAX_MESSAGE_CHARS]

    def _check_pattern(
        self, _validator: Any, pattern: str, instance: Any, _schema: Any
    ) -> Iterator[ValidationError]:
        if isinstance(instance, str) and not self._found(pattern, instance):
            yield ValidationError(f"{pattern!r} is not found")

    def _found(self, pattern: str, text: str) -> bool:
        machine = self._machines.get(pattern)
        if machine is None:
            machine = Machine(compile_rules({"root": read_pattern(pattern)}))
            self._machines[pattern] = machine
        machine.left = MAX_PATTERN_WORK
        return matches(machine, text)
