"""An XappError as a gRPC status with google.rpc details.

BadRequest for InvalidArgument, ErrorInfo for all, RetryInfo where the error has a time to retry.
"""

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from google.rpc.code_pb2 import Code
from google.rpc.status_pb2 import Status

from xapp.durations import to_duration
from xapp.errors import InvalidArgument, XappError

DOMAIN = "genai-xapp"
DETAILS_KEY = "grpc-status-details-bin"

MAX_MESSAGE_BYTES = 768
_MAX_VALUE_BYTES = 1024
_MAX_METADATA = 8


def code_of(error: XappError) -> grpc.StatusCode:
    """The gRPC code of the error."""
    return grpc.StatusCode[error.code]


def status_of(error: XappError) -> Status:
    """The whole status. Texts are cut so that trailers stay below the 8 KiB that clients accept."""
    status = Status(code=Code.Value(error.code), message=_cut(error.message, MAX_MESSAGE_BYTES))
    for detail in _details(error):
        packed = Any()
        packed.Pack(detail)
        status.details.append(packed)
    return status


def _details(error: XappError) -> list[Message]:
    details: list[Message] = [_error_info(error)]
    if isinstance(error, InvalidArgument):
        details.append(_bad_request(error))
    if error.retry_after_s is not None:
        details.append(error_details_pb2.RetryInfo(retry_delay=to_duration(error.retry_after_s)))
    return details


def _error_info(error: XappError) -> error_details_pb2.ErrorInfo:
    entries = list(error.metadata.items())[:_MAX_METADATA]
    metadata = {key: _cut(value, _MAX_VALUE_BYTES) for key, value in entries}
    return error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=metadata)


def _bad_request(error: InvalidArgument) -> error_details_pb2.BadRequest:
    violation = error_details_pb2.BadRequest.FieldViolation(
        field=error.field, description=_cut(error.description, MAX_MESSAGE_BYTES)
    )
    return error_details_pb2.BadRequest(field_violations=[violation])


def _cut(text: str, limit: int) -> str:
    return text.encode("utf-8", "replace")[:limit].decode("utf-8", "ignore")
