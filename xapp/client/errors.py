"""Errors of calls, from the status and the google.rpc details of the node."""

from collections.abc import Mapping
from typing import Any

import grpc

_DETAILS = "grpc-status-details-bin"


class ClientError(Exception):
    """A call failed. `code` is the gRPC status, `reason` the server's reason. "" or None is unknown."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        reason: str = "",
        field: str = "",
        retry_after_s: float | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.reason = reason
        self.field = field
        self.retry_after_s = retry_after_s
        self.metadata = dict(metadata or {})


def decode_error(error: grpc.aio.AioRpcError) -> ClientError:
    """The error with the server's google.rpc details."""
    facts: dict[str, Any] = {}
    for key, value in error.trailing_metadata() or ():
        if key == _DETAILS and isinstance(value, bytes):
            facts = _facts(value)
    return ClientError(error.code().name, error.details() or "", **facts)


def _facts(details: bytes) -> dict[str, Any]:
    from google.protobuf.message import DecodeError  # noqa: PLC0415  only after an error
    from google.rpc import error_details_pb2, status_pb2  # noqa: PLC0415

    facts: dict[str, Any] = {}
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    request = error_details_pb2.BadRequest()
    try:
        status = status_pb2.Status.FromString(details)
        for detail in status.details:
            if detail.Unpack(info):
                facts |= {"reason": info.reason, "metadata": info.metadata}
            elif detail.Unpack(retry):
                facts["retry_after_s"] = retry.retry_delay.ToNanoseconds() / 1e9
            elif detail.Unpack(request) and request.field_violations:
                facts["field"] = request.field_violations[0].field
    except DecodeError:
        # The status itself still tells the fault.
        return {}
    return facts
