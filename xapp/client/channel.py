"""Opens channels to nodes, waits for nodes, and explains errors of the connection."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import grpc

from xapp.client.errors import ClientError
from xapp.hosts import channel_options, host_of, proxy_of
from xapp.pool import is_pool, pool_options

_CLOSED = "Socket closed"
"""gRPC's message for a plain text connection to a port with TLS."""
_OPTIONS = (
    # A node that is starting again is found quickly.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2000),
)
_POLL_S = 0.05


def open_channel(
    target: str,
    credentials: grpc.ChannelCredentials | None,
    balancing: dict[str, Any],
    server_name: str = "",
    *,
    more: Sequence[tuple[str, Any]] = (),
) -> grpc.aio.Channel:
    """Opens a channel, plain text without credentials. `balancing` is the service config for a target of
    several nodes. `server_name` is the name in the node's certificate; "" is the host of `target`. `more` are
    further arguments of the channel.
    """
    named = (("grpc.ssl_target_name_override", server_name),) if server_name and credentials else ()
    options = (
        *(pool_options(balancing) if is_pool(target) else _OPTIONS),
        *channel_options(target),
        *named,
        *more,
    )
    if credentials is None:
        return grpc.aio.insecure_channel(target, options=options)
    return grpc.aio.secure_channel(target, credentials, options=options)


async def is_serving_within(
    channel: grpc.aio.Channel, deadline_s: float, metadata: Sequence[tuple[str, str]]
) -> bool:
    """Whether the node's health says SERVING within so many seconds."""
    from grpc_health.v1 import health_pb2, health_pb2_grpc  # noqa: PLC0415  rarely needed

    check = health_pb2_grpc.HealthStub(channel).Check
    until = time.monotonic() + deadline_s
    while (left := until - time.monotonic()) > 0:
        with suppress(grpc.aio.AioRpcError):
            response = await check(health_pb2.HealthCheckRequest(), timeout=left, metadata=metadata)
            if response.status == health_pb2.HealthCheckResponse.SERVING:
                return True
        await asyncio.sleep(min(_POLL_S, left))
    return False


def explained(error: ClientError, target: str, *, plain_text: bool) -> ClientError:
    """Adds a hint to an error that did not come from the node: it may come from a forgotten proxy, or from
    TLS.
    """
    if plain_text and error.code == "UNAVAILABLE" and _CLOSED in error.message:
        hint = "plain text was sent; a node with TLS needs credentials"
        return ClientError(error.code, f"{error.message} ({hint})")
    if error.code != "UNAVAILABLE" or error.reason or not (proxy := proxy_of(target)):
        return error
    hint = f"asked through the proxy {proxy}; no_proxy={host_of(target)} goes past it"
    return ClientError(error.code, f"{error.message} ({hint})")
