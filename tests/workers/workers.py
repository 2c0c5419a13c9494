"""What tests need to run scripted workers."""

import asyncio
import itertools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from time import monotonic

from xapp.config import EngineSettings
from xapp.domain.messages import Submit
from xapp.telemetry.latency import ModelLatencies
from xapp.workers.client import EngineClient
from xapp.workers.token_stream import TokenStream

COMMAND = (sys.executable, str(Path(__file__).with_name("scripted_worker.py")))
_ids = itertools.count(1)


class WorkerScript:
    """The file that a scripted worker takes for its model."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.load("ok")

    def load(self, how: str) -> None:
        """From now on a worker's load goes like this; see scripted_worker."""
        self.path.write_text(json.dumps({"load": how}))

    def client(self, slots: int = 4, latencies: ModelLatencies | None = None) -> EngineClient:
        return EngineClient(str(self.path), EngineSettings(slots=slots), command=COMMAND, latencies=latencies)


def submit(text: str, max_tokens: int = 1000, **fields: object) -> Submit:
    """A request whose prompt is text, one code point a token."""
    values = {"arrival": monotonic(), **fields}
    return Submit(next(_ids), [ord(char) for char in text], max_tokens, **values)  # type: ignore[arg-type]


def endless(text: str = "abc") -> Submit:
    """A request that does not end by itself within a test."""
    return submit(text, max_tokens=1_000_000, ignore_eos=True)


async def read(stream: TokenStream) -> str:
    """All text of a stream, until it is done; raises what the stream raises."""
    text = ""
    while not stream.done:
        text += "".join(map(chr, await stream.next()))
    return text


async def until(condition: Callable[[], bool]) -> None:
    """Waits for something that nothing announces."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.002)
