"""Host names and addresses: how they are written, and which of them are this machine.

Base dependencies only: the client reads it too.
"""

import ipaddress
import os
from collections.abc import Mapping, MutableMapping

DEFAULT_TARGET = "127.0.0.1:50051"
"""Where a client looks for a node."""
PROXY_KEYS = ("grpc_proxy", "https_proxy", "http_proxy")
"""What gRPC reads, the first that is set."""
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "::1")
NO_PROXY_KEYS = ("no_grpc_proxy", "no_proxy")


def bare(host: str) -> str:
    """`[::1]` as `::1`: brackets belong to a host with its port."""
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def host_port(host: str, port: int) -> str:
    """`HOST:PORT`; an IPv6 address has brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def host_of(target: str) -> str:
    """The host of a gRPC target: `HOST:PORT`, `[::1]:PORT`, `dns:///HOST:PORT`, `ipv6:[::1]:PORT`.

    The first of several: `ipv4:HOST:PORT,HOST:PORT`.
    """
    return _host(_addresses(target)[0])


def _addresses(target: str) -> list[str]:
    path = target.rpartition("/")[2].removeprefix("ipv4:").removeprefix("ipv6:").removeprefix("dns:")
    return path.split(",")


def _host(address: str) -> str:
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


def is_address(host: str) -> bool:
    """Whether the host is an IP address and not a name."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


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
    loopback = target.startswith("unix:") or all(is_loopback(_host(each)) for each in _addresses(target))
    return (("grpc.enable_http_proxy", 0),) if loopback else ()


def spare_loopback(environ: MutableMapping[str, str]) -> None:
    """No proxy to this machine itself: for this process, those that it starts, and every library."""
    if any(environ.get(key) or environ.get(key.upper()) for key in PROXY_KEYS):
        names = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
        environ["no_proxy"] = ",".join(filter(None, (names, *LOOPBACK_NAMES)))


def proxy_of(target: str, environ: Mapping[str, str] | None = None) -> str:
    """The proxy that gRPC takes to `target`, or "", as HOST:PORT without its password."""
    values = os.environ if environ is None else environ
    host = host_of(target)
    if channel_options(target) or any(_spares(values.get(key, ""), host) for key in NO_PROXY_KEYS):
        return ""
    proxy = next((values[key] for key in PROXY_KEYS if values.get(key)), "")
    return proxy.rpartition("://")[2].rpartition("@")[2].rstrip("/")


def _spares(no_proxy: str, host: str) -> bool:
    names = filter(None, (name.strip() for name in no_proxy.split(",")))
    return any(host.endswith(name) for name in names)
