"""The inputs of a request: raw text, turns of a conversation, or a task; and their fields of the message."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import EncodeError
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from xapp.domain.task_call import TaskCall
from xapp.durations import to_duration
from xapp.inference.v1 import inference_pb2 as pb

Input: TypeAlias = str | Sequence[pb.Message]
Asked: TypeAlias = Input | TaskCall


def task(name: str, inputs: Mapping[str, Any], *, measured_at: float | None = None) -> TaskCall:
    """Task `name`, or `name@version`, in place of a prompt; `measured_at` is in seconds since 1970."""
    return TaskCall(name, inputs, measured_at)


def user(content: str) -> pb.Message:
    """A turn of the user."""
    return pb.Message(role="user", content=content)


def system(content: str) -> pb.Message:
    """A turn of the system."""
    return pb.Message(role="system", content=content)


def input_fields(prompt: Asked) -> dict[str, Any]:
    """The fields of a request message for a prompt, messages or a task's call. Raises ValueError for inputs
    of a task, or a time, that no message has room for.
    """
    if isinstance(prompt, TaskCall):
        return {"task": prompt.name, "inputs": _struct(prompt), "input_timestamp": _timestamp(prompt)}
    if isinstance(prompt, str):
        return {"prompt": prompt}
    return {"chat": pb.Chat(messages=prompt)}


def _struct(call: TaskCall) -> Struct:
    inputs = Struct()
    try:
        inputs.update(call.inputs)
        inputs.SerializeToString()
    except (ValueError, OverflowError, RecursionError, EncodeError) as error:
        raise ValueError(f"inputs: no message has room for them: {error}") from error
    return inputs


def _timestamp(call: TaskCall) -> Timestamp | None:
    if call.measured_at is None:
        return None
    stamp = Timestamp()
    try:
        stamp.FromNanoseconds(round(call.measured_at * 1e9))
    except (ValueError, OverflowError) as error:
        raise ValueError(f"measured_at: {call.measured_at:g} is no time: {error}") from error
    return stamp


def duration(seconds: float | None) -> Duration | None:
    """A Duration, exact to the nanosecond; None stays None."""
    return None if seconds is None else to_duration(seconds)
