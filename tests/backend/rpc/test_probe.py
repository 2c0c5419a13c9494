"""A probe tells in bounded time what is at a helper's port."""

import socket

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.backend.rpc.fake_helper import GB, answering, helper, saying, silent
from xapp.backend.rpc.probe import VERSION, probe
from xapp.config.rpc_hosts import RpcHost
from xapp.errors import ModelError, Unavailable


def test_a_helper_states_its_memory() -> None:
    with helper(answering(free=GB, total=2 * GB)) as host:
        state = probe(host)
    assert (state.free_bytes, state.total_bytes) == (GB, 2 * GB)
    assert state.address == str(host)
    assert 0 < state.round_trip_s < 5


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(
        Unavailable, match=f"127.0.0.1:{port} cannot be reached: Connection refused"
    ) as caught:
        probe(RpcHost("127.0.0.1", port))
    assert caught.value.reason == "RPC_HOST_LOST"
    assert caught.value.metadata == {"host": f"127.0.0.1:{port}"}
    assert caught.value.retry_after_s


def test_a_name_without_an_address() -> None:
    with pytest.raises(Unavailable, match=r"no-such-host\.invalid:1 has no IPv4 address"):
        probe(RpcHost("no-such-host.invalid", 1))


def test_a_helper_that_works_for_another_node_is_silent() -> None:
    with helper(silent) as host, pytest.raises(Unavailable, match=r"does not answer within 0\.1 s") as caught:
        probe(host, timeout_s=0.1)
    assert "works for another node" in caught.value.message


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "closes the connection"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n" * 4, "speaks another protocol"),
        (b"\x1c\0\0\0\0\0\0\0\x07", "closes the connection"),
    ],
)
def test_a_port_that_speaks_something_else(data: bytes, text: str) -> None:
    with helper(saying(data)) as host, pytest.raises(ModelError, match=text) as caught:
        probe(host)
    assert caught.value.reason == "RPC_HOST_UNFIT"
    assert str(host) in caught.value.message


def test_a_helper_of_another_build() -> None:
    other = (VERSION[0], VERSION[1], VERSION[2] + 1)
    with helper(answering(version=other)) as host, pytest.raises(ModelError, match="another build") as caught:
        probe(host)
    assert "RPC 7.0.1, this node 7.0.0" in caught.value.message


@given(st.binary(max_size=120))
@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
def test_an_answer_of_any_bytes_is_an_error(data: bytes) -> None:
    with helper(saying(data)) as host, pytest.raises((ModelError, Unavailable), match=str(host)):
        probe(host, timeout_s=1.0)
