import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from perf.network import shell_commands
from perf.network.link_shape import Shape
from perf.network.namespace import Network, network
from perf.network.shell_commands import NetworkError, NotPermittedError, UnknownQdiscError

RTT_S = 0.02
PAYLOAD = 20_000
CLIENT = """
import socket, sys, time
start = time.monotonic()
with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as connection:
    connection.sendall(b"a" * int(sys.argv[3]))
    connection.shutdown(socket.SHUT_WR)
    connection.recv(1)
print(time.monotonic() - start)
"""


def interface() -> Path:
    """This process's end of the link."""
    return Path("/sys/class/net", f"xbs{os.getpid() % 1_000_000}")


def drain(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        while connection.recv(65536):
            pass
        connection.sendall(b"b")


def exchange(made: Network) -> float:
    """Seconds that a client in the namespace needs to connect, send the payload and hear an answer."""
    with socket.create_server((made.host, 0)) as listener:
        listener.settimeout(30)
        server = threading.Thread(target=drain, args=(listener,))
        server.start()
        port = str(listener.getsockname()[1])
        command = [*made.prefix, sys.executable, "-c", CLIENT, made.host, port, str(PAYLOAD)]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30)
        server.join(30)
        return float(done.stdout)


def test_a_client_inside_reaches_a_server_here_through_the_shaped_link_only() -> None:
    try:
        with network(Shape(rtt_s=RTT_S, rate=10e6)) as made:
            name = made.prefix[1].rpartition("/")[2]
            before = made.traffic()
            took = exchange(made)
            traffic = made.traffic() - before
    except NotPermittedError as error:
        pytest.skip(str(error))
    assert took >= 2 * RTT_S + PAYLOAD * 8 / 10e6  # to connect and to be answered: what cannot be faster
    assert traffic.sent > PAYLOAD
    assert 0 < traffic.received < PAYLOAD
    assert not Path("/run/netns", name).exists()
    assert not interface().exists()


def test_it_is_gone_after_an_error_too() -> None:
    try:
        with pytest.raises(RuntimeError, match="in the middle"), network(Shape(rtt_s=RTT_S)):
            raise RuntimeError("in the middle")
    except NotPermittedError as error:
        pytest.skip(str(error))
    assert not interface().exists()


def test_what_the_programs_say_tells_what_is_missing() -> None:
    denied = ("sh", "-c", "echo 'RTNETLINK answers: Operation not permitted' >&2; exit 2")
    with pytest.raises(NotPermittedError, match="needs root"):
        shell_commands.run(*denied)
    unknown = ("sh", "-c", "echo 'Error: Specified qdisc kind is unknown.' >&2; exit 2")
    with pytest.raises(UnknownQdiscError):
        shell_commands.run(*unknown)
    with pytest.raises(NetworkError, match="something else"):
        shell_commands.run("sh", "-c", "echo something else >&2; exit 1")
    with pytest.raises(NotPermittedError, match="iproute2"):
        shell_commands.run("no-such-program-as-this")
