"""Converts the class of a request."""

from xapp.domain.priority import Priority
from xapp.errors import InvalidArgument
from xapp.inference.v1 import inference_pb2 as pb

_PRIORITIES = {
    pb.PRIORITY_UNSPECIFIED: Priority.INTERACTIVE,
    pb.PRIORITY_CRITICAL: Priority.CRITICAL,
    pb.PRIORITY_INTERACTIVE: Priority.INTERACTIVE,
    pb.PRIORITY_BATCH: Priority.BATCH,
}


def to_priority(wire: pb.Priority.ValueType) -> Priority:
    """The class. proto3 accepts unknown numbers, this function does not."""
    if (priority := _PRIORITIES.get(wire)) is None:
        raise InvalidArgument("priority", f"{wire} is no priority")
    return priority
