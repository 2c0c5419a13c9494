"""Whether an address can be listened on, asked before anything that takes long."""

import socket

from xapp.errors import ConfigError
from xapp.hosts import host_port


def check_free(host: str, ports: dict[str, int], host_key: str = "XAPP_HOST") -> None:
    """`ports` by the key of their setting; 0 is always free. Raises ConfigError naming the key."""
    for key, port in ports.items():
        if port:
            _check(key, host, port, host_key)


def _check(key: str, host: str, port: int, host_key: str) -> None:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        raise ConfigError(host_key, f"{host!r} is no address or host name here: {error}") from error
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As the servers do: what lingers of closed connections holds no port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
            probe.listen(1)
        except OSError as error:
            message = f"cannot listen on {host_port(host, port)}: {error.strerror}; is the port in use?"
            raise ConfigError(key, message) from error
