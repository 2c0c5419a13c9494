"""Tasks, as read from their files."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """The RPC that runs a task."""

    GENERATE = "generate"
    SCORE = "score"


class InputType(StrEnum):
    """A JSON type."""

    STRING = "string"
    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    ARRAY = "array"
    OBJECT = "object"


class Level(StrEnum):
    """The class of a task's requests."""

    CRITICAL = "critical"
    INTERACTIVE = "interactive"
    BATCH = "batch"


@dataclass(frozen=True, slots=True)
class TaskInput:
    """`details` are further keywords of JSON schema in addition to the type."""

    name: str
    type: InputType
    description: str
    optional: bool = False
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def json_schema(self) -> str:
        """The JSON schema of a value, as text."""
        return json.dumps({"type": str(self.type), **self.details})


@dataclass(frozen=True, slots=True)
class Task:
    """One version of one task. Durations are seconds; None is no limit, or the node's default.

    `model` "" is the node's default. `json_schema` is the schema as text; a score task has `choices` instead.
    `source` is the file's name, for messages.
    """

    name: str
    version: int
    description: str
    kind: Kind
    prompt: str
    source: str
    model: str = ""
    system: str = ""
    inputs: tuple[TaskInput, ...] = ()
    json_schema: str = ""
    choices: tuple[str, ...] = ()
    max_tokens: int | None = None
    default_deadline_s: float | None = None
    priority: Level = Level.INTERACTIVE
    max_input_age_s: float | None = None
    normalize_by_length: bool = False
    min_margin: float = 0.0

    @property
    def label(self) -> str:
        """`name@version`."""
        return f"{self.name}@{self.version}"
