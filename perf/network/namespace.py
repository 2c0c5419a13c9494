"""A network namespace for the clients, joined to this one by a shaped link; gone again at the end.

Addresses are of 198.18.0.0/15, which is set aside for measuring networks (RFC 2544).
"""

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from perf.network import traffic_counters, virtual_link
from perf.network.link_shape import Shape
from perf.network.shell_commands import NetworkError, run

_NAME = re.compile(r"^xapp-bench-(\d+)$")
_NAMESPACES = Path("/run/netns")


@dataclass(frozen=True, slots=True)
class Network:
    """Servers listen on `host`; a client's command begins with `prefix`; `traffic` counts both ways.

    `far` is the address of what runs in the namespace. `how` says what shapes the link.
    """

    host: str
    far: str
    prefix: tuple[str, ...]
    traffic: traffic_counters.Counter
    how: str


@contextmanager
def network(shape: Shape) -> Iterator[Network]:
    """Made for the time of the `with`. Raises NetworkError; NotPermittedError where it may not be."""
    name, (near, far), (here, there) = f"xapp-bench-{os.getpid()}", _interfaces(), _addresses()
    with ExitStack() as stack:
        _remove_left_over()
        run("ip", "netns", "add", name)
        stack.callback(_remove, name)
        made = virtual_link.make(stack, near, far, shape)
        for each in (near, far):  # no neighbour discovery of IPv6 among the bytes that are counted
            run("ip", "link", "set", each, "addrgenmode", "none")
        run("ip", "link", "set", far, "netns", name)
        run("ip", "address", "add", f"{here}/30", "dev", near)
        run("ip", "link", "set", near, "up")
        inside = ("ip", "netns", "exec", name)
        run(*inside, "ip", "address", "add", f"{there}/30", "dev", far)
        run(*inside, "ip", "link", "set", far, "up")
        run(*inside, "ip", "link", "set", "lo", "up")
        # The other addresses of this machine as well: a server that is already there may be at one.
        run(*inside, "ip", "route", "add", "default", "via", here)
        made.shape(name)
        prefix = ("nsenter", f"--net={_NAMESPACES / name}", "--")
        yield Network(here, there, prefix, partial(traffic_counters.of_server_side, near), made.how)


def _interfaces() -> tuple[str, str]:
    number = os.getpid() % 1_000_000
    return f"xbs{number}", f"xbc{number}"


def _addresses() -> tuple[str, str]:
    subnet = f"198.18.{os.getpid() % 256}"
    return f"{subnet}.1", f"{subnet}.2"


def _remove_left_over() -> None:
    """Namespaces of runs that were killed: those whose process is gone."""
    if not _NAMESPACES.is_dir():
        return
    for path in _NAMESPACES.iterdir():
        match = _NAME.match(path.name)
        if match and not Path("/proc", match[1]).exists():
            _remove(path.name)


def _remove(name: str) -> None:
    try:
        run("ip", "netns", "delete", name)
    except NetworkError:
        if (_NAMESPACES / name).exists():
            raise
