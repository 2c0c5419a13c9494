"""Several nodes behind one target: what gRPC's own balancers are told, and when another node is asked.

Base dependencies only. gRPC does the work: it resolves names, keeps a connection to each node, leaves out
nodes that are gone or not SERVING, and weights the others by the load that they report.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from xapp.hosts import channel_options, host_of
from xapp.inference.v1 import inference_pb2 as pb

HOME_KEY = "x-prefix-key"
"""Metadata: calls with the same value have the same home, where their beginning is computed already."""
_NODE_IS_FULL = ("DEADLINE_UNREACHABLE", "QUEUE_FULL")
_HASH_SWITCH = "GRPC_EXPERIMENTAL_RING_HASH_SET_REQUEST_HASH_KEY"
_SERVICE = "xapp.inference.v1.InferenceService"

_CHANNEL = (
    # A node that comes back is found within 3 s, and so is a node that was cut off without a word.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.dns_min_time_between_resolutions_ms", 1000),
    ("grpc.keepalive_time_ms", 1000),
    ("grpc.keepalive_timeout_ms", 1500),
    ("grpc.http2.max_pings_without_data", 0),
)


def is_pool(target: str) -> bool:
    """Whether it may name several nodes: a list of addresses, or `dns:` and another machine's name."""
    by_name = target.startswith("dns:") and not channel_options(target)
    return "," in target or (by_name and not _is_address(host_of(target)))


def _is_address(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdigit()


def weighted(*, told_apart: bool) -> dict[str, Any]:
    """The service config by which nodes get calls in proportion to what they can take.

    `told_apart`: load is told in a stream of its own and health is watched, both without a token. Else the
    trailers of calls tell the load.
    """
    weights = {
        "enableOobLoadReport": told_apart,
        "oobReportingPeriod": "1s",
        "blackoutPeriod": "1s",
        "weightUpdatePeriod": "0.5s",
        "weightExpirationPeriod": "60s",
    }
    config: dict[str, Any] = {"loadBalancingConfig": [{"weighted_round_robin": weights}, {"round_robin": {}}]}
    if told_apart:
        config["healthCheckConfig"] = {"serviceName": _SERVICE}
    return config


def by_home() -> dict[str, Any]:
    """The service config by which a call goes to its home: the value of HOME_KEY, hashed onto the nodes."""
    return {"loadBalancingConfig": [{"ring_hash_experimental": {"requestHashHeader": HOME_KEY}}]}


def pool_options(config: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    """The arguments of a channel to a pool."""
    return (*_CHANNEL, ("grpc.service_config", json.dumps(config)))


def another_node_may(code: str, reason: str) -> bool:
    """Whether what one node refused may be asked of another at once."""
    return code == "UNAVAILABLE" or reason in _NODE_IS_FULL


def prefix_key(request: pb.GenerateRequest | pb.ScoreRequest) -> str:
    """The same for calls that begin alike: of their task or their system prompt; "" for neither."""
    if request.task:
        begin = f"task {request.task}"
    elif request.chat.messages and request.chat.messages[0].role == "system":
        begin = f"system {request.chat.messages[0].content}"
    else:
        return ""
    return hashlib.sha256(f"{request.model} {begin}".encode()).hexdigest()[:16]


class Homes:
    """At most `most` calls of a client with the same key are at their home at once: others go elsewhere.

    gRPC hashes by a header of the call only where an environment variable says so, which this sets.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._num_there: Counter[str] = Counter()
        if most:
            os.environ.setdefault(_HASH_SWITCH, "true")

    @contextmanager
    def place(self, key: str) -> Iterator[bool]:
        """Whether the call goes home; for its length."""
        if not key or self._num_there[key] >= self._most:
            yield False
            return
        self._num_there[key] += 1
        try:
            yield True
        finally:
            self._num_there[key] -= 1
            self._num_there += Counter()  # forgets keys that nobody uses
