"""Converts the format that an answer is held to."""

from xapp.domain.format_kinds import Choices, Format, Grammar, JsonSchema
from xapp.errors import InvalidArgument
from xapp.formats.prepare import MAX_CHOICES
from xapp.inference.v1 import inference_pb2 as pb


def to_format(wire: pb.OutputFormat) -> Format:
    """The format of the answer. The service decides whether it is supported."""
    match wire.WhichOneof("format"):
        case "json_schema":
            return JsonSchema(_not_empty("format.json_schema", wire.json_schema))
        case "grammar":
            return Grammar(_not_empty("format.grammar", wire.grammar))
        case "choices":
            if (count := len(wire.choices.choices)) > MAX_CHOICES:
                raise InvalidArgument("format.choices", f"has {count} texts, at most {MAX_CHOICES} are taken")
            return Choices(tuple(wire.choices.choices))
        case _:
            raise InvalidArgument("format", "set json_schema, grammar or choices")


def _not_empty(field: str, text: str) -> str:
    if not text.strip():
        raise InvalidArgument(field, "is empty")
    return text
