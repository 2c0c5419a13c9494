"""`[server]`: addresses, connections and the end of the process."""

from typing import Annotated

import msgspec
from msgspec import Meta

from xapp.config.values import Port, Seconds
from xapp.hosts import bare


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`host` is stored without the brackets of an IPv6 address.

    `open_inference`: whether the gRPC port also speaks the Open Inference Protocol. `open_engine`: whether
    it also speaks NVIDIA's engine contract.
    """

    host: str = "127.0.0.1"
    grpc_port: Port = 50051
    http_port: Port = 8080
    max_message_bytes: Annotated[int, Meta(ge=1024, le=64 * 1024 * 1024)] = 4 * 1024 * 1024
    max_connections: Annotated[int, Meta(ge=1, le=100_000)] = 1024
    keepalive_s: Seconds = 30.0
    keepalive_timeout_s: Seconds = 10.0
    max_connection_age_s: Seconds = 600.0
    write_timeout_s: Seconds = 30.0
    grace_period_s: Seconds = 20.0
    open_inference: bool = False
    open_engine: bool = False

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "host", bare(self.host))
