"""Call: an incoming call as guards see it, the same for all four shapes of a method."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import unquote

import grpc

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Parse: TypeAlias = Callable[[bytes], Any]


@dataclass(frozen=True, slots=True)
class Method:
    """`path` is `/package.Service/Method`. `parse` turns the bytes of a request into a message."""

    path: str
    takes_stream: bool
    parse: Parse

    @property
    def name(self) -> str:
        """The method's name without its service."""
        return self.path.split("/")[2]

    @property
    def service(self) -> str:
        """The service's name with its package."""
        return self.path.split("/")[1]


def address_of(peer: str) -> str:
    """The client's address, from gRPC's `ipv4:10.0.0.7:40000`, without the port."""
    kind, _, rest = peer.partition(":")
    host = rest.rpartition(":")[0]
    return unquote(host).strip("[]") if kind in ("ipv4", "ipv6") else kind


@dataclass(slots=True)
class Call:
    """`request` is the message once it is read, or the iterator of messages where the method takes a stream.

    `headers` are sent with the first message, or at the end of a call without a message.
    """

    method: Method
    context: Context
    request: Any
    headers: tuple[tuple[str, str], ...] = ()


Guard: TypeAlias = Callable[[Call], Awaitable[None]]
"""Runs before the method. It returns, or raises an XappError to refuse the call.

A guard is not on the stack while the method runs: the messages of a stream pass no guard.
"""
