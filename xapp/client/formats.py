"""Formats of answers."""

import json
from collections.abc import Mapping
from typing import Any

from xapp.inference.v1 import inference_pb2 as pb


def json_schema(schema: Mapping[str, Any] | str) -> pb.OutputFormat:
    """Holds the answer to a JSON schema, given as a value or as text."""
    return pb.OutputFormat(json_schema=schema if isinstance(schema, str) else json.dumps(schema))


def grammar(gbnf: str) -> pb.OutputFormat:
    """Holds the answer to a GBNF grammar."""
    return pb.OutputFormat(grammar=gbnf)


def choices(*texts: str) -> pb.OutputFormat:
    """Holds the answer to one of these texts."""
    return pb.OutputFormat(choices=pb.Choices(choices=texts))
