"""What armed points do in this process. Kill and stop: tests/e2e/test_failpoints.py."""

import socket
import time
from collections.abc import Iterator

import pytest

from xapp import failpoints
from xapp.errors import ConfigError
from xapp.failpoints import points

KEY = failpoints.KEY


@pytest.fixture(autouse=True)
def inert() -> Iterator[None]:
    yield
    failpoints.arm({}, "test")


def work(number: int) -> int:
    return number + 1


def faults(spec: str, calls: int, role: str = "worker", nth: int = 0) -> list[int]:
    """The calls that failed."""
    failpoints.arm({KEY: spec, failpoints.NTH_KEY: str(nth)}, role)
    guarded = failpoints.guard("decode", work)
    failed = []
    for number in range(calls):
        try:
            assert guarded(number) == number + 1
        except OSError:
            failed.append(number)
    return failed


def test_an_inert_point_is_the_function_itself() -> None:
    failpoints.arm({}, "worker")
    assert failpoints.guard("decode", work) is work
    assert not failpoints.is_armed()


def test_other_points_stay_inert() -> None:
    failpoints.arm({KEY: "load=error"}, "worker")
    assert failpoints.guard("decode", work) is work


def test_a_count_ends_the_faults() -> None:
    assert faults("decode=2*error", 5) == [0, 1]


def test_a_seed_repeats_them_and_another_seed_or_process_differs() -> None:
    spec = "decode=20%error;seed=3"
    first = faults(spec, 100)
    assert first == faults(spec, 100)
    assert 5 < len(first) < 40
    assert first != faults("decode=20%error;seed=4", 100)
    assert first != faults(spec, 100, role="server")
    assert first != faults(spec, 100, nth=1)


def test_a_process_that_replaces_another_repeats_no_counted_fault() -> None:
    assert faults("decode=1*error", 3, nth=0) == [0]
    assert faults("decode=1*error", 3, nth=1) == []


def test_each_child_of_a_command_is_told_how_many_came_before() -> None:
    assert failpoints.environ_of_child("a") == {}
    failpoints.arm({KEY: "decode=kill"}, "server")
    nths = [failpoints.environ_of_child(*command)[failpoints.NTH_KEY] for command in ("a", "a", "b", "a")]
    assert nths == ["0", "1", "0", "2"]


def test_a_place_raises_its_own_error() -> None:
    failpoints.arm({KEY: "inbox=error"}, "worker")
    with pytest.raises(ConnectionResetError):
        failpoints.guard("inbox", work, ConnectionResetError)(1)


def test_a_method_of_one_object_is_guarded_where_the_point_is_armed() -> None:
    class Worker:
        def work(self) -> int:
            return 1

    inert, armed = Worker(), Worker()
    failpoints.arm({}, "worker")
    failpoints.guard_method("decode", inert, "work")
    assert "work" not in vars(inert)
    failpoints.arm({KEY: "decode=error"}, "worker")
    failpoints.guard_method("decode", armed, "work", MemoryError)
    with pytest.raises(MemoryError):
        armed.work()


def test_a_short_write_brings_all_bytes_in_the_end() -> None:
    failpoints.arm({KEY: "event_socket=short"}, "worker")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        send = failpoints.guard(
            "event_socket", ours.sendall, short=lambda data: failpoints.send_in_parts(ours, data)
        )
        send(b"hello")
        assert theirs.recv(100, socket.MSG_PEEK)[:2] == b"he"
        assert theirs.recv(5, socket.MSG_WAITALL) == b"hello"


async def test_a_place_on_the_event_loop() -> None:
    failpoints.arm({KEY: "session=1*delay(0.001);drain=error"}, "server")
    await failpoints.reach("session")
    await failpoints.reach("registration")
    with pytest.raises(OSError, match="drain"):
        await failpoints.reach("drain")


def test_the_wall_clock_jumps_and_the_monotonic_clock_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    true_time, elapsed = time.time, 0.0
    monkeypatch.setattr(time, "time", true_time)  # restores it
    monkeypatch.setattr("xapp.failpoints.faults.time.monotonic", lambda: elapsed)
    failpoints.arm({KEY: "clock=shift(0.25)"}, "server")
    offsets = set()
    for elapsed in range(20):  # noqa: B007
        offsets.add(round(time.time() - true_time(), 1))
    assert offsets == {-0.2, 0.0, 0.2} or offsets <= {-0.3, -0.2, 0.0, 0.2, 0.3}
    assert len(offsets) >= 3


def test_a_wrong_value_is_a_wrong_setting() -> None:
    with pytest.raises(ConfigError, match="XAPP_FAILPOINTS"):
        failpoints.arm({KEY: "nonsense"}, "server")
    assert not points.is_armed()
