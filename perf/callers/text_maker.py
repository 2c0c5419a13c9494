"""Makes prompts of exact lengths by a server's own tokenizer, before there is load."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from perf.callers.load_commands import Decode
from perf.callers.prompt_texts import Texts
from perf.closing import Ending
from perf.targets.grpc_target import GrpcTarget
from perf.targets.target import TargetError

_WARM_UP_STREAMS = 4
_WARM_UP_TOKENS = 8
_T = TypeVar("_T")


class TextMaker(Ending):
    """Asks one server of ours; a context manager."""

    def __init__(self, address: str) -> None:
        self._runner = asyncio.Runner()
        self._target = GrpcTarget(address)
        self._texts = Texts(self._target.count_tokens)

    def make(self, write: Callable[[Texts], Awaitable[_T]]) -> _T:
        """What `write` makes of the texts. Raises TargetError when the server is lost or has no such text."""
        try:
            return self._runner.run(_awaited(write, self._texts))
        except ValueError as error:
            raise TargetError("invalid", str(error)) from error

    def close(self) -> None:
        """Closes its channel."""
        try:
            self._runner.run(self._target.aclose())
        finally:
            self._runner.close()


async def _awaited(write: Callable[[Texts], Awaitable[_T]], texts: Texts) -> _T:
    return await write(texts)


def warm_up(number: int) -> Decode:
    """Some tokens on several streams: what a server does once is done, and its connections are there."""
    prompts = [f"Warm-up {number} of stream {index}." for index in range(_WARM_UP_STREAMS)]
    return Decode(prompts, _WARM_UP_TOKENS)
