import asyncio

import pytest

from xapp.edge.limit import Limit
from xapp.edge.watchdog import Watchdog, WatchedStream
from xapp.errors import Exhausted


async def _write(watchdog: Watchdog, streams: "asyncio.Queue[WatchedStream]") -> None:
    with watchdog.watch() as stream:
        streams.put_nowait(stream)
        await asyncio.Event().wait()


async def test_a_stalled_write_becomes_an_error() -> None:
    watchdog = Watchdog(timeout_s=10)
    streams: asyncio.Queue[WatchedStream] = asyncio.Queue()
    task = asyncio.create_task(_write(watchdog, streams))
    stream = await streams.get()
    stream.writing_since = 100.0
    watchdog.check(now=110.0)
    assert not stream.stalled
    watchdog.check(now=110.1)
    with pytest.raises(Exhausted) as caught:
        await task
    assert caught.value.reason == "SLOW_READER"
    assert task.cancelling() == 0


async def test_a_stream_that_waits_for_the_model_is_left_alone() -> None:
    watchdog = Watchdog(timeout_s=1)
    streams: asyncio.Queue[WatchedStream] = asyncio.Queue()
    task = asyncio.create_task(_write(watchdog, streams))
    stream = await streams.get()
    watchdog.check(now=1e9)
    assert not stream.stalled
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_clients_cancellation_wins() -> None:
    watchdog = Watchdog(timeout_s=1)
    streams: asyncio.Queue[WatchedStream] = asyncio.Queue()
    task = asyncio.create_task(_write(watchdog, streams))
    stream = await streams.get()
    stream.writing_since = 0.0
    task.cancel()
    watchdog.check(now=100.0)
    with pytest.raises(asyncio.CancelledError):
        await task


def test_limit() -> None:
    limit = Limit("things", 1)
    with limit.hold(), pytest.raises(Exhausted, match="1 things"), limit.hold():
        pass
    with limit.hold():
        pass
