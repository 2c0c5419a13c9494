"""The latest state of each thing is told, in the end, and nothing grows while the peer is away."""

import asyncio
from collections.abc import Callable

import pytest

from tests.ric.stand_ins import no_wait
from xapp.ric.outbox import Outbox
from xapp.ric.platform import PlatformError

GONE = -1


class Peer:
    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []
        self.is_away = False
        self.num_tries = 0
        self.happened = asyncio.Event()

    async def send(self, key: str, state: int) -> None:
        await asyncio.sleep(0)
        self.num_tries += 1
        self.happened.set()
        if self.is_away:
            raise PlatformError("is away")
        self.told.append((key, state))

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self.happened.clear()
            await self.happened.wait()


def outbox(peer: Peer, most: int = 4) -> Outbox[int]:
    return Outbox("peer", peer.send, most=most, is_last=lambda state: state == GONE, backoff=no_wait())


async def test_a_state_is_told_once() -> None:
    peer = Peer()
    box = outbox(peer)
    box.put("a", 1)
    await box.flush()
    box.put("a", 1)
    await box.flush()
    assert peer.told == [("a", 1)]


async def test_what_was_overtaken_is_never_told() -> None:
    peer = Peer()
    box = outbox(peer)
    for state in range(100):
        box.put("a", state)
    await box.flush()
    assert peer.told == [("a", 99)]


async def test_a_thing_that_came_and_went_while_nobody_was_told_is_not_told() -> None:
    peer = Peer()
    box = outbox(peer)
    box.put("a", 1)
    box.put("a", GONE)
    await box.flush()
    assert peer.told == []


async def test_an_end_is_told_where_the_beginning_may_have_arrived() -> None:
    peer = Peer()
    peer.is_away = True
    box = outbox(peer)
    box.put("a", 1)
    with pytest.raises(PlatformError):
        await box.flush()
    peer.is_away = False
    box.put("a", GONE)
    await box.flush()
    assert peer.told == [("a", GONE)]
    assert box.states == {}
    box.put("a", 1)
    await box.flush()
    assert peer.told[-1] == ("a", 1)


async def test_it_is_bounded() -> None:
    box = outbox(Peer(), most=2)
    for key in "abcdef":
        box.put(key, 1)
    assert set(box.states) == {"a", "b"}
    assert box.num_dropped == 4


async def test_everything_is_told_again_to_a_peer_that_forgot() -> None:
    peer = Peer()
    box = outbox(peer)
    box.put("a", 1)
    await box.flush()
    box.tell_again()
    await box.flush()
    assert peer.told == [("a", 1), ("a", 1)]


async def test_a_peer_that_is_away_is_tried_again_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    peer = Peer()
    peer.is_away = True
    box = outbox(peer)
    running = asyncio.create_task(box.run())
    box.put("a", 1)
    await peer.until(lambda: peer.num_tries >= 50)
    box.put("a", 2)
    peer.is_away = False
    await peer.until(lambda: peer.told == [("a", 2)])
    box.put("a", 3)
    await peer.until(lambda: peer.told[-1] == ("a", 3))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert [record.message for record in caplog.records] == ["peer is away", "peer answers again"]
