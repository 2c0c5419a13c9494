"""The helper whose connection broke is named, by real sockets."""

import contextlib
import socket
from collections.abc import Iterator

import pytest

from xapp.backend.rpc.lost_host import Connections, abort_message, limit_silence
from xapp.workers.worker_exit import lost_hosts


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A connection of this process, as llama.cpp's to a helper, and the helper's end."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        limit_silence(listening)
        ours = socket.create_connection(listening.getsockname())
        theirs, _ = listening.accept()
        with ours, theirs:
            yield ours, theirs


def address(sock: socket.socket) -> str:
    host, port = sock.getpeername()
    return f"{host}:{port}"


def test_a_broken_connection_is_noticed_and_named(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    connections = Connections({address(ours): "node-b:50052"})
    connections.find()
    with contextlib.closing(connections):
        assert connections.lost() == []
        theirs.close()
        connections.wait_lost()
        assert connections.lost() == ["node-b:50052"]


def test_what_a_socket_accepts_inherits_its_limits(pair: tuple[socket.socket, socket.socket]) -> None:
    _, theirs = pair
    assert theirs.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    assert theirs.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 5


def test_the_message_is_read_by_who_explains_the_end_of_a_worker() -> None:
    line = abort_message("ggml-rpc.cpp:480: Remote RPC server crashed\nor so", ["b:1", "c:2"])
    assert lost_hosts(-6, ["other", line, "backtrace"]) == "b:1,c:2"
    assert lost_hosts(-6, [abort_message("ggml.c:12: GGML_ASSERT(a) failed", [])]) == ""
    assert lost_hosts(-9, [line]) == ""
