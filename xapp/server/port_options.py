"""The options of the gRPC port: its limits, and how it finds dead connections."""

from xapp.config import ServerSettings

MAX_STREAMS_PER_CONNECTION = 256
MAX_PENDING_CALLS = 10_500
"""Calls that have arrived and are not yet accepted, of all connections together, 16 KB each. A crowd on a
dozen connections exceeds gRPC's own limits, 1,000 to 3,000."""
MAX_UNSEEN_S = 24 * 3600
"""Longer than the longest possible deadline: a call that waits to be accepted ends by its own deadline."""
_MAX_METADATA_BYTES = 16 * 1024
_IDLE_MS = 15 * 60_000
"""A connection without calls is closed after so long. Its client opens another when it needs it."""
_HANDSHAKE_MS = 10_000


def port_options(settings: ServerSettings) -> list[tuple[str, int]]:
    """Options of `grpc.aio.server`."""
    return [
        ("grpc.so_reuseport", 0),  # else a second server takes the port as well, and half the calls
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.max_send_message_length", settings.max_message_bytes),
        ("grpc.max_metadata_size", _MAX_METADATA_BYTES),
        ("grpc.max_allowed_incoming_connections", settings.max_connections),
        ("grpc.max_connection_idle_ms", _IDLE_MS),
        ("grpc.server_handshake_timeout_ms", _HANDSHAKE_MS),
        ("grpc.max_concurrent_streams", MAX_STREAMS_PER_CONNECTION),
        # Beyond its own limits gRPC ends calls with CANCELLED. On a full connection, whose ended calls
        # still count for a moment, it ends them with UNAVAILABLE. Both have no details. This server refuses
        # with a reason instead.
        ("grpc.server.max_pending_requests", MAX_PENDING_CALLS),
        ("grpc.server.max_pending_requests_hard_limit", MAX_PENDING_CALLS),
        ("grpc.http.overload_protection", 0),
        # Otherwise gRPC accepts megabytes of a fast sender before the message is requested. A requested
        # message still has room for its whole size.
        ("grpc.http2.bdp_probe", 0),
        # A call that waits longer than gRPC's own 30 s would end CANCELLED without details. It is answered
        # or refused.
        ("grpc.server_max_unrequested_time_in_server", MAX_UNSEEN_S),
        ("grpc.keepalive_time_ms", _milliseconds(settings.keepalive_s)),
        ("grpc.keepalive_timeout_ms", _milliseconds(settings.keepalive_timeout_s)),
        # Without this option an open stream's ping may take a minute, whatever the keepalive is.
        ("grpc.http2.ping_timeout_ms", _milliseconds(settings.keepalive_timeout_s)),
        ("grpc.keepalive_permit_without_calls", 1),
        # A client that opens a new connection resolves its target again, and finds new nodes. Calls on the
        # old connection go on there.
        ("grpc.max_connection_age_ms", _milliseconds(settings.max_connection_age_s)),
        # A stream may wait silently for its slot, and its client pings meanwhile.
        ("grpc.http2.max_pings_without_data", 0),
        # Pings are answered, however early they come. With a limit gRPC ends the connection. But each
        # further ping of the same read then copies the error of all pings before it: 25,000 pings stopped
        # all connections for up to 54 s. gRPC itself bounds the answers that wait to be sent.
        ("grpc.http2.max_ping_strikes", 0),
    ]


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
