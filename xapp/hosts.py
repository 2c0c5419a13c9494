"""Host names and addresses: how they are written, and which of them are this machine.

Base dependencies only: the client reads it too.
"""

import ipaddress
import os
from collections.abc import Mapping

PROXY_KEYS = ("grpc_proxy", "https_proxy", "http_proxy")
"""What gRPC reads, the first that is set."""


def bare(host: str) -> str:
    """`[::1]` as `::1`: brackets belong to a host with its port."""
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def host_port(host: str, port: int) -> str:
    """`HOST:PORT`; an IPv6 address has brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def host_of(target: str) -> str:
    """The host of a gRPC target: `HOST:PORT`, `[::1]:PORT`, `dns:///HOST:PORT`, `ipv6:[::1]:PORT`."""
    address = target.rpartition("/")[2].removeprefix("ipv4:").removeprefix("ipv6:").removeprefix("dns:")
    if address.startswith("["):
        return bare(address.rpartition("]")[0] + "]")
    return address.rpartition(":")[0] if address.count(":") == 1 else address


def is_loopback(host: str) -> bool:
    """Whether the host is this machine by its name or address."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def loopback_of(host: str) -> str:
    """Where a server that listens on `host` is reached from its own machine."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if not address.is_unspecified:
        return host
    return "::1" if address.version == 6 else "127.0.0.1"


def channel_options(target: str) -> tuple[tuple[str, int], ...]:
    """What every channel to `target` needs: no proxy stands between a machine and itself."""
    loopback = target.startswith("unix:") or is_loopback(host_of(target))
    return (("grpc.enable_http_proxy", 0),) if loopback else ()


def proxy_of(target: str, environ: Mapping[str, str] | None = None) -> str:
    """The proxy that gRPC takes to `target`, or ""; what `no_proxy` says is not looked at."""
    if channel_options(target):
        return ""
    values = os.environ if environ is None else environ
    return next((values[key] for key in PROXY_KEYS if values.get(key)), "")
