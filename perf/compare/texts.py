"""Makes the texts of a round, of exact lengths by our own server's tokenizer."""

import asyncio

import grpc

from perf.compare.commands import Command, Decode
from perf.compare.loads import Load
from perf.ending import Ending
from perf.serving.grpc_client import GrpcClient
from perf.serving.workload import Texts
from perf.targets.base import TargetError

_WARM_UP_STREAMS = 4
_WARM_UP_TOKENS = 8


class TextMaker(Ending):
    """Asks one server; a context manager."""

    def __init__(self, address: str) -> None:
        self._runner = asyncio.Runner()
        self._client = self._runner.run(_client(address))
        self._texts = Texts(self._client.num_tokens)

    def command(self, load: Load, seed: int, *, queues: bool) -> Command:
        """The same for the same arguments. Raises TargetError when the server is lost or has no such text."""
        try:
            return self._runner.run(load.command(self._texts, seed, queues=queues))
        except grpc.aio.AioRpcError as error:
            raise TargetError("lost", f"no texts: {error.code().name}: {error.details()}") from error
        except ValueError as error:
            raise TargetError("invalid", str(error)) from error

    def close(self) -> None:
        """Closes its channel."""
        try:
            self._runner.run(self._client.aclose())
        finally:
            self._runner.close()


async def _client(address: str) -> GrpcClient:
    return GrpcClient(address)


def warm_up(number: int) -> Decode:
    """Some tokens on several streams: what a server does once is done, and its connections are there."""
    prompts = [f"Warm-up {number} of stream {index}." for index in range(_WARM_UP_STREAMS)]
    return Decode(prompts, _WARM_UP_TOKENS)
