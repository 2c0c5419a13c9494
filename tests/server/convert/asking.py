"""Requests from the wire, and the field that a refusal names."""

import pytest

from xapp.domain.requests import Request
from xapp.errors import InvalidArgument
from xapp.inference.v1 import inference_pb2 as pb
from xapp.server.convert.requests import to_request


def request_of(**fields: object) -> Request:
    fields.setdefault("prompt", "hi")
    return to_request(pb.GenerateRequest(**fields), "id", None)  # type: ignore[arg-type]


def field_of(**fields: object) -> str:
    with pytest.raises(InvalidArgument) as caught:
        request_of(**fields)
    return caught.value.field
