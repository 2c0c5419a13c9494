"""One answer, written as it comes. Ctrl-C ends the answer and not the program."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager

from xapp.cli.stream_watch import Watch
from xapp.client import Client
from xapp.inference.v1 import inference_pb2 as pb

Write = Callable[[str], None]
"""Shows a piece of text at once."""


class Answer:
    """The text so far, and what a caller sees of the stream. `stopped`: Ctrl-C ended it."""

    def __init__(self) -> None:
        self.watch = Watch()
        self.pieces: list[str] = []
        self.stopped = False

    @property
    def text(self) -> str:
        """What came."""
        return "".join(self.pieces)


async def answer_to(
    client: Client, request: pb.GenerateRequest, write: Write, deadline_s: float | None, answer: Answer
) -> None:
    """Streams the answer to `write` and into `answer`, whatever ends it. Raises ClientError."""
    streaming = asyncio.create_task(_stream(client, request, write, deadline_s, answer))
    with _on_interrupt(streaming.cancel):
        try:
            await asyncio.wait([streaming])
        finally:
            streaming.cancel()
    if streaming.cancelled():
        answer.stopped = True
    else:
        streaming.result()


async def _stream(
    client: Client, request: pb.GenerateRequest, write: Write, deadline_s: float | None, answer: Answer
) -> None:
    async with aclosing(client.generate_request(request, deadline_s=deadline_s)) as events:
        async for event in events:
            answer.watch.follow(event)
            if event.HasField("chunk"):
                answer.pieces.append(event.chunk.text)
                write(event.chunk.text)


@contextmanager
def _on_interrupt(act: Callable[[], object]) -> Iterator[None]:
    """Ctrl-C calls `act` meanwhile, in place of ending the program."""
    loop = asyncio.get_running_loop()
    before = signal.getsignal(signal.SIGINT)
    loop.add_signal_handler(signal.SIGINT, act)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, before)
