"""Checks whether a JSON text conforms to a schema. jsonschema does it, with this project's pattern matcher.

The time has no bound: a schema of 200 bytes can need 40 to the power of 8 attempts. The check therefore
runs in a text process, which has a time limit (`text/process`).
"""

import json
from collections.abc import Iterator
from functools import lru_cache
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
"""Limit for all strings of one text together."""
MAX_REMEMBERED = 64
MAX_PLACE_CHARS = 80
MAX_MESSAGE_CHARS = 200


class Validator:
    """Validates against a converted schema: its references are internal, and its patterns are supported."""

    def __init__(self, schema_text: str) -> None:
        self._machines: dict[str, Machine] = {}
        self._left = MAX_PATTERN_WORK
        keywords = {"pattern": self._check_pattern}
        validator: Any = extend(Draft202012Validator, keywords)  # type: ignore[no-untyped-call]
        self._validator = validator(json.loads(without_mark(schema_text)))

    def fault_of_text(self, text: str) -> str:
        """The place and reason of a fault, "" for a JSON text that conforms."""
        self._left = MAX_PATTERN_WORK
        try:
            error = next(iter(self._validator.iter_errors(json.loads(text))), None)
        except (RecursionError, TooAmbiguous, Unresolvable):
            return "takes too much work to check"
        except ValueError:
            return "is no JSON"
        if error is None:
            return ""
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
        machine.left = self._left
        try:
            return matches(machine, text)
        finally:
            self._left = machine.left


@lru_cache(maxsize=MAX_REMEMBERED)
def validator_of(schema_text: str) -> Validator:
    """A validator that is kept for repeated use of a schema."""
    return Validator(schema_text)
