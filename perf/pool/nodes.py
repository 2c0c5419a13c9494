"""The nodes of a pool as processes, each with a speed; a node says its name as that of its model."""

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from perf.process_under_test import HOST, Server, free_port
from perf.server_processes import LOGS

SLOTS = 4


class Node(Server):
    """`name` is what its answers say; `speed` 1 is the usual."""

    def __init__(self, name: str, speed: float, port: int | None = None, slots: int = SLOTS) -> None:
        self.name, self.speed, self.slots = name, speed, slots
        self.port = port or free_port()
        environment = {
            "XAPP_HOST": HOST,
            "XAPP_GRPC_PORT": str(self.port),
            "XAPP_HTTP_PORT": str(free_port()),
            "XAPP_BACKEND": "fake",
            "XAPP_MODEL": name,
            "XAPP_SLOTS": str(slots),
            "XAPP_PIN_TASKS": "false",
            "XAPP_JOIN_IDENTICAL": "false",
            "XAPP_PREFIX_CACHE": "false",
        }
        command = [sys.executable, "-m", "perf.pool.server", str(speed)]
        super().__init__(command, environment, LOGS / f"pool-{self.port}.log")

    @property
    def address(self) -> str:
        """HOST:PORT."""
        return f"{HOST}:{self.port}"

    def signal(self, number: signal.Signals) -> None:
        """To the server process: SIGKILL is a node that dies, SIGSTOP is cut off without a word."""
        self._process.send_signal(number)

    def again(self) -> "Node":
        """The same node, started again after its death."""
        self.close()
        return Node(self.name, self.speed, self.port, self.slots)


def target(nodes: Sequence[Node]) -> str:
    """All of them, for a client."""
    return "ipv4:" + ",".join(node.address for node in nodes)


@contextmanager
def running(speeds: Sequence[float], slots: int = SLOTS) -> Iterator[list[Node]]:
    """Nodes of these speeds that listen."""
    with ExitStack() as held:
        nodes = [Node(f"node-{number}", speed, slots=slots) for number, speed in enumerate(speeds)]
        held.callback(_close, nodes)
        for node in nodes:
            node.wait_for_port(node.address)
        yield nodes


def _close(nodes: list[Node]) -> None:
    """Those that are there in the end: one may have been started again."""
    for node in nodes:
        node.close()
