"""The two ends of a link: one here, one in the clients' namespace; what is between them is the shape."""

import os
from contextlib import ExitStack
from typing import Protocol

import msgspec

from perf.json_child import Child, ChildError
from perf.network.link_shape import Shape
from perf.network.shell_commands import NetworkError, NotPermittedError, UnknownQdiscError, run

_LIMIT_PACKETS = 1000


class Link(Protocol):
    """Made with its far end still here. `how` says what shapes it."""

    how: str

    def shape(self, namespace: str) -> None:
        """Called once both ends are where they belong and up. Raises NetworkError."""
        ...


class Netem:
    """A veth pair, shaped by the kernel. Raises NetworkError; UnknownQdiscError where it has no netem."""

    how = "tc netem"

    def __init__(self, stack: ExitStack, near: str, far: str, shape: Shape) -> None:
        self._near, self._far, self._shape = near, far, shape
        run("ip", "link", "add", near, "type", "veth", "peer", "name", far)
        stack.callback(_delete_quietly, near)
        run("tc", "qdisc", "add", "dev", near, "root", *netem(shape))
        for each in (near, far):  # else the interface would count a burst as one frame
            run("ip", "link", "set", each, "gso_max_segs", "1")

    def shape(self, namespace: str) -> None:
        """The far end as the near one."""
        inside = ("ip", "netns", "exec", namespace)
        run(*inside, "tc", "qdisc", "add", "dev", self._far, "root", *netem(self._shape))


def netem(shape: Shape) -> list[str]:
    """One direction in the words of tc."""
    words = ["netem", "limit", str(_LIMIT_PACKETS), "delay", f"{shape.rtt_s / 2 * 1e6:.0f}us"]
    if shape.rate:
        words += ["rate", f"{shape.rate:.0f}bit"]
    if shape.loss:
        words += ["loss", f"{shape.loss * 100:.4f}%"]
    return words


class Relay:
    """Two TUN interfaces and a process between them, for kernels without netem. Raises NetworkError."""

    how = "a relay in user space (this kernel has no netem)"

    def __init__(self, stack: ExitStack, near: str, far: str, shape: Shape) -> None:
        if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
            raise NotPermittedError("the kernel has no netem, and /dev/net/tun cannot be opened")
        try:
            encoded = msgspec.json.encode(shape).decode()
            stack.enter_context(Child("perf.network.delaying_relay", near, far, encoded))
        except ChildError as error:
            raise NetworkError(f"the relay did not start: {error}") from error

    def shape(self, namespace: str) -> None:
        """The relay shapes already."""


def make(stack: ExitStack, near: str, far: str, shape: Shape) -> Link:
    """By the kernel where it can. What was made is undone by the stack. Raises NetworkError."""
    try:
        with ExitStack() as trial:
            link = Netem(trial, near, far, shape)
            stack.push(trial.pop_all())
            return link
    except UnknownQdiscError:
        return Relay(stack, near, far, shape)


def _delete_quietly(interface: str) -> None:
    try:
        run("ip", "link", "delete", interface)
    except NetworkError:
        return  # it went with the namespace that its far end is in
