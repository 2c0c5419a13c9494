"""One message at a time, in order, whoever begins to write it."""

import asyncio

import pytest

from xapp.inference.v1 import inference_pb2 as pb
from xapp.server.stream_writer import StreamWriter
from xapp.server.watchdog import Watchdog, WatchedStream
from xapp.service.types import Chunk


class Wire:
    """Stands for `context.write`: a message is out once `let_out` was called, or failed."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.out: list[asyncio.Future[None]] = []
        self.num_ended = 0
        self.begun = asyncio.Event()

    async def write(self, message: pb.GenerateResponse) -> None:
        self.texts.append(message.chunk.text)
        out: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.out.append(out)
        self.begun.set()
        await out
        self.num_ended += 1

    def let_out(self, error: Exception | None = None) -> None:
        if error is None:
            self.out[-1].set_result(None)
        else:
            self.out[-1].set_exception(error)


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
async def stream() -> WatchedStream:
    task = asyncio.current_task()
    assert task is not None
    return WatchedStream(task)


async def test_a_chunk_is_on_its_way_when_offer_returns(wire: Wire, stream: WatchedStream) -> None:
    writer = StreamWriter(wire.write, stream)
    assert writer.offer(Chunk("a", 1))
    assert wire.texts == ["a"]
    wire.let_out()
    assert writer.offer(Chunk("b", 1))
    assert (wire.texts, wire.num_ended) == (["a", "b"], 1)


async def test_none_is_taken_while_one_is_not_out(wire: Wire, stream: WatchedStream) -> None:
    writer = StreamWriter(wire.write, stream)
    assert writer.offer(Chunk("a", 1))
    assert not writer.offer(Chunk("b", 1))
    assert wire.texts == ["a"]


async def test_send_waits_for_what_was_begun(wire: Wire, stream: WatchedStream) -> None:
    writer = StreamWriter(wire.write, stream)
    assert writer.offer(Chunk("a", 1))
    sending = asyncio.create_task(writer.send(Chunk("b", 1)))
    await asyncio.sleep(0)
    assert wire.texts == ["a"]
    wire.begun.clear()
    wire.let_out()
    await wire.begun.wait()
    assert not sending.done()
    wire.let_out()
    await sending
    assert (wire.texts, wire.num_ended) == (["a", "b"], 2)
    assert stream.writing_since is None


async def test_a_failed_write_is_raised_by_send(wire: Wire, stream: WatchedStream) -> None:
    writer = StreamWriter(wire.write, stream)
    assert writer.offer(Chunk("a", 1))
    wire.let_out(OSError("gone"))
    assert not writer.offer(Chunk("b", 1))
    with pytest.raises(OSError, match="gone"):
        await writer.send(Chunk("b", 1))
    assert wire.texts == ["a"]
    writer.close()


async def test_a_write_that_fails_while_send_waits(wire: Wire, stream: WatchedStream) -> None:
    writer = StreamWriter(wire.write, stream)
    assert writer.offer(Chunk("a", 1))
    sending = asyncio.create_task(writer.send(Chunk("b", 1)))
    await asyncio.sleep(0)
    wire.let_out(OSError("gone"))
    with pytest.raises(OSError, match="gone"):
        await sending


async def test_close_ends_a_pending_write(wire: Wire, stream: WatchedStream) -> None:
    writer = StreamWriter(wire.write, stream)
    writer.close()
    assert writer.offer(Chunk("a", 1))
    writer.close()
    writer.close()
    assert wire.out[0].cancelled()
    assert wire.num_ended == 0


async def test_the_watchdog_looks_at_what_was_begun(wire: Wire) -> None:
    watchdog = Watchdog(timeout_s=10)
    with watchdog.watch() as stream:
        writer = StreamWriter(wire.write, stream)
        assert writer.offer(Chunk("a", 1))
        stream.writing_since = 100.0
        assert stream.is_stalled(110.1, 10)
        wire.let_out()
        assert not stream.is_stalled(1e9, 10)
        writer.close()
