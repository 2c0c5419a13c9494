"""Converts tasks: `to_call` checks everything that needs no task, `task` describes a task."""

import math
from typing import TypeAlias

from google.protobuf.struct_pb2 import ListValue, Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp

from xapp.domain.messages import Priority
from xapp.domain.task import Level, Task, TaskInput
from xapp.domain.task_call import TaskCall
from xapp.durations import to_duration
from xapp.errors import InvalidArgument
from xapp.inference.v1 import inference_pb2 as pb

MAX_NAME_CHARS = 128
MAX_INPUT_BYTES = 64 * 1024
MAX_INPUT_DEPTH = 16
_MAX_NANOS = 999_999_999
_MAX_EXACT = 2.0**53

_PRIORITIES = {
    Level.CRITICAL: pb.PRIORITY_CRITICAL,
    Level.INTERACTIVE: pb.PRIORITY_INTERACTIVE,
    Level.BATCH: pb.PRIORITY_BATCH,
}
_TaskWire: TypeAlias = pb.GenerateRequest | pb.ScoreRequest | pb.EstimateRequest
_Json: TypeAlias = "bool | int | float | str | list[_Json] | dict[str, _Json] | None"


def to_call(wire: _TaskWire, priority: Priority) -> TaskCall | None:
    """None without a named task. `priority` is the request's priority, if set.

    Raises InvalidArgument with the field.
    """
    if not wire.task:
        _check_no_inputs(wire)
        return None
    if len(wire.task) > MAX_NAME_CHARS:
        raise InvalidArgument("task", f"has more than {MAX_NAME_CHARS} characters")
    if given := wire.WhichOneof("input"):
        raise InvalidArgument(given, "cannot be set beside task, which makes the prompt")
    return TaskCall(
        name=wire.task,
        inputs=_to_inputs(wire.inputs),
        measured_at=_to_seconds(wire.input_timestamp) if wire.HasField("input_timestamp") else None,
        priority=priority if wire.priority else None,
    )


def _check_no_inputs(wire: _TaskWire) -> None:
    for field in ("inputs", "input_timestamp"):
        if wire.HasField(field):
            raise InvalidArgument(field, "is set, but no task is named")


def _to_inputs(wire: Struct) -> "dict[str, _Json]":
    if (size := wire.ByteSize()) > MAX_INPUT_BYTES:
        raise InvalidArgument("inputs", f"has {size} bytes, at most {MAX_INPUT_BYTES} are taken")
    return {name: _value(value, f"inputs.{name[:80]}", 1) for name, value in wire.fields.items()}


def _value(wire: Value, field: str, depth: int) -> "_Json":
    if depth > MAX_INPUT_DEPTH:
        raise InvalidArgument(field, f"nests deeper than {MAX_INPUT_DEPTH}")
    match wire.WhichOneof("kind"):
        case "number_value":
            return _number(wire.number_value, field)
        case "string_value":
            return wire.string_value
        case "bool_value":
            return wire.bool_value
        case "list_value":
            return _list(wire.list_value, field, depth)
        case "struct_value":
            fields = wire.struct_value.fields.items()
            return {name: _value(value, field, depth + 1) for name, value in fields}
        case "null_value":
            return None
        case _:
            raise InvalidArgument(field, "has no value")


def _list(wire: ListValue, field: str, depth: int) -> "list[_Json]":
    return [_value(value, field, depth + 1) for value in wire.values]


def _number(value: float, field: str) -> int | float:
    """A number. A Struct has doubles only, so a whole number is read as an integer."""
    if not math.isfinite(value):
        raise InvalidArgument(field, "is no finite number")
    return int(value) if value.is_integer() and abs(value) <= _MAX_EXACT else value


def _to_seconds(wire: Timestamp) -> float:
    if not 0 <= wire.nanos <= _MAX_NANOS:
        raise InvalidArgument("input_timestamp", "is no valid Timestamp")
    return wire.seconds + wire.nanos * 1e-9


def task(task: Task) -> pb.Task:
    """The description of a task for callers."""
    wire = pb.Task(
        name=task.name,
        version=task.version,
        description=task.description,
        kind=str(task.kind),
        model=task.model,
        inputs=[_input(each) for each in task.inputs],
        json_schema=task.json_schema,
        choices=task.choices,
        priority=_PRIORITIES[task.priority],
    )
    if task.default_deadline_s is not None:
        wire.default_deadline.CopyFrom(to_duration(task.default_deadline_s))
    if task.max_input_age_s is not None:
        wire.max_input_age.CopyFrom(to_duration(task.max_input_age_s))
    return wire


def _input(each: TaskInput) -> pb.TaskInput:
    return pb.TaskInput(
        name=each.name, type=str(each.type), description=each.description, optional=each.optional
    )
