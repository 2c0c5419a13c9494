"""The helpers that compute layers of a model for this node, as a setting names them."""

import re
from typing import NamedTuple

MAX_HOSTS = 8
"""llama.cpp's own limit is 16. Each helper adds its way over the network to each token."""
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")


class RpcHost(NamedTuple):
    """Where a helper listens: a name or an IPv4 address, and a port."""

    name: str
    port: int

    def __str__(self) -> str:
        return f"{self.name}:{self.port}"


def parse_hosts(text: str) -> tuple[RpcHost, ...]:
    """The helpers in `HOST:PORT,HOST:PORT`, in order; none for "". Raises ValueError naming the bad part."""
    hosts = tuple(_host(part.strip()) for part in text.split(",")) if text.strip() else ()
    for host in hosts:
        if hosts.count(host) > 1:
            raise ValueError(f"{host} is named twice")
    if len(hosts) > MAX_HOSTS:
        raise ValueError(f"{len(hosts)} helpers, and at most {MAX_HOSTS} are possible")
    return hosts


def _host(part: str) -> RpcHost:
    name, colon, port = part.rpartition(":")
    if not colon:
        raise ValueError(f"{part!r} has no port: HOST:PORT is expected")
    if ":" in name:
        raise ValueError(f"{part!r}: llama.cpp reaches helpers by IPv4 only")
    if not _NAME.fullmatch(name):
        raise ValueError(f"{part!r}: {name!r} is no host name and no IPv4 address")
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(f"{part!r}: {port!r} is no port from 1 to 65535")
    return RpcHost(name.lower(), int(port))


def parse_split(text: str) -> tuple[int, ...]:
    """The layers of this node and of each helper, in order: `4,13,13`; none for "". Raises ValueError."""
    if not text.strip():
        return ()
    parts = [part.strip() for part in text.split(",")]
    for part in parts:
        if not (part.isascii() and part.isdigit() and len(part) < 6):
            raise ValueError(f"{part!r} is no number of layers: LAYERS HERE,LAYERS OF A HELPER,… is expected")
    return tuple(map(int, parts))
