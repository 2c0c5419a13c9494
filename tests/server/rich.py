"""Reads google.rpc details out of a failed call."""

from dataclasses import dataclass
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status


@dataclass
class Details:
    info: error_details_pb2.ErrorInfo
    bad_request: error_details_pb2.BadRequest | None = None
    retry: error_details_pb2.RetryInfo | None = None


class _Call:
    def __init__(self, error: grpc.aio.AioRpcError) -> None:
        self._error = error

    def code(self) -> Any:
        return self._error.code()

    def details(self) -> Any:
        return self._error.details()

    def trailing_metadata(self) -> Any:
        return tuple(self._error.trailing_metadata())


def details_of(error: grpc.aio.AioRpcError) -> Details:
    status: status_pb2.Status = rpc_status.from_call(_Call(error))
    found = Details(error_details_pb2.ErrorInfo())
    for detail in status.details:
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            detail.Unpack(found.info)
        elif detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
            found.bad_request = error_details_pb2.BadRequest.FromString(detail.value)
        elif detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
            found.retry = error_details_pb2.RetryInfo.FromString(detail.value)
    return found
