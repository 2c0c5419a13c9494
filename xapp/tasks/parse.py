"""Parses a task file strictly: an unknown, missing or mistyped key is an error with the file and the key."""

import json
import re
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from xapp.domain.task import InputType, Kind, Level, Task, TaskInput
from xapp.errors import ConfigError
from xapp.tasks.yaml_text import read_mapping

MAX_CHOICES = 256
MAX_DURATION_S = 86_400.0
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_INPUT_NAME = re.compile(r"[a-z_][a-z0-9_]{0,63}")

_S = TypeVar("_S")
_Text = Annotated[str, Meta(min_length=1)]


class _InputFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    type: Literal["string", "number", "integer", "boolean", "array", "object"]
    description: _Text
    optional: bool = False
    schema: dict[str, Any] = {}


class _TaskFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9-]{0,62}$")]
    version: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    description: _Text
    kind: Literal["generate", "score"]
    prompt: _Text
    model: str = ""
    system: str = ""
    inputs: dict[str, Any] = {}
    json_schema: dict[str, Any] | None = None
    choices: Annotated[list[_Text], Meta(min_length=1, max_length=MAX_CHOICES)] | None = None
    max_tokens: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    default_deadline: str | None = None
    priority: Literal["critical", "interactive", "batch"] = "interactive"
    max_input_age: str | None = None
    normalize_by_length: bool | None = None
    min_margin: Annotated[float, Meta(ge=0, le=1)] | None = None


def parse_task(text: str, source: str) -> Task:
    """A Task. Raises ConfigError with the key `source: key`."""
    file = _convert(read_mapping(text, source), _TaskFile, source, "")
    _check_kind(file, source)
    return Task(
        name=file.name,
        version=file.version,
        description=file.description,
        kind=Kind(file.kind),
        prompt=file.prompt,
        source=source,
        model=file.model,
        system=file.system,
        inputs=tuple(_input(name, value, source) for name, value in file.inputs.items()),
        json_schema="" if file.json_schema is None else _as_json(file.json_schema, "json_schema", source),
        choices=tuple(file.choices or ()),
        max_tokens=file.max_tokens,
        default_deadline_s=_seconds(file.default_deadline, "default_deadline", source),
        priority=Level(file.priority),
        max_input_age_s=_seconds(file.max_input_age, "max_input_age", source),
        normalize_by_length=bool(file.normalize_by_length),
        min_margin=file.min_margin or 0.0,
    )


def fault(source: str, key: str, message: str) -> ConfigError:
    """The error for a key of a task file."""
    return ConfigError(f"{source}: {key}", message)


def _check_kind(file: _TaskFile, source: str) -> None:
    """Checks the keys that only one kind may have, and those that it must have."""
    if file.json_schema is not None and file.choices is not None:
        raise fault(source, "choices", "cannot be set beside json_schema")
    if file.kind == "score":
        if file.choices is None:
            raise fault(source, "choices", "is missing: kind score needs them")
        if len(set(file.choices)) < len(file.choices):
            raise fault(source, "choices", "has the same text twice")
        wrong: dict[str, object] = {"json_schema": file.json_schema, "max_tokens": file.max_tokens}
    else:
        wrong = {"normalize_by_length": file.normalize_by_length, "min_margin": file.min_margin}
    for key, value in wrong.items():
        if value is not None:
            raise fault(source, key, f"says nothing about kind {file.kind}")


def _input(name: str, value: Any, source: str) -> TaskInput:
    key = f"inputs.{name}"
    if not _INPUT_NAME.fullmatch(name):
        raise fault(source, key, "is no name: write small letters, digits and _")
    file = _convert(value, _InputFile, source, key)
    if "type" in file.schema:
        raise fault(source, f"{key}.schema.type", "is given beside schema, not in it")
    _as_json(file.schema, f"{key}.schema", source)
    return TaskInput(name, InputType(file.type), file.description, file.optional, file.schema)


def _as_json(value: dict[str, Any], key: str, source: str) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        # YAML has dates and other types that JSON lacks.
        raise fault(source, key, str(error)) from error


def _seconds(text: str | None, key: str, source: str) -> float | None:
    if text is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h)", text)
    seconds = float(match[1]) * _UNITS[match[2]] if match else 0.0
    if not 0 < seconds <= MAX_DURATION_S:
        raise fault(source, key, f"{text!r} is no duration of at most a day: write 500ms, 30s or 2m")
    return seconds


def _convert(value: Any, kind: type[_S], source: str, place: str) -> _S:
    try:
        return msgspec.convert(value, kind, strict=True)
    except msgspec.ValidationError as error:
        key, message = _explain(str(error))
        whole = ".".join(filter(None, (place, key)))
        raise ConfigError(f"{source}: {whole}" if whole else source, message) from error


def _explain(message: str) -> tuple[str, str]:
    """The key and the text of one of msgspec's messages."""
    message, _, path = message.partition(" - at ")
    parent = path.strip("`").removeprefix("$").removeprefix(".")
    for pattern, text in (
        (r"Object contains unknown field `(.*)`", "no such field"),
        (r"Object missing required field `(.*)`", "is missing"),
    ):
        if match := re.fullmatch(pattern, message):
            return ".".join(filter(None, (parent, match[1]))), text
    return parent, message
