"""The client process: lean, alone in its process, told what to do in JSON lines.

`python -m perf.serving.load grpc|http HOST:PORT` answers each command with what its streams saw.
"""

import asyncio
import gc
import sys
import time
from typing import Any

import msgspec

from perf import child
from perf.serving import scenarios
from perf.serving.call import Client
from perf.serving.grpc_client import GrpcClient
from perf.serving.http_client import HttpClient
from perf.serving.workload import Texts, Work
from perf.streams import Stream


class Decode(msgspec.Struct, frozen=True, tag=True):
    """Runs a Work; answers with Decoded."""

    work: Work


COMMAND_TIMEOUT_S = 300.0


class Prepare(msgspec.Struct, frozen=True, tag=True):
    """Makes the prompts of a Work, so that Decode does nothing else."""

    work: Work


class SharedPrompt(msgspec.Struct, frozen=True, tag=True):
    """Answers with scenarios.Shared."""

    seed: int


class Decoded(msgspec.Struct, frozen=True):
    """The streams, and what they cost this client in CPU seconds."""

    streams: list[Stream]
    client_cpu: float


Command = Prepare | Decode | SharedPrompt


def connect(kind: str, target: str) -> Client:
    """Raises SystemExit for an unknown kind."""
    if kind == "grpc":
        return GrpcClient(target)
    if kind == "http":
        host, _, port = target.rpartition(":")
        return HttpClient(host, int(port))
    raise SystemExit(f"unknown client {kind!r}: grpc or http")


class Load:
    """A client and the prompts it has made."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._texts = Texts(client.num_tokens)

    async def answer(self, command: Command) -> Any:
        """Runs one command. Raises TimeoutError after COMMAND_TIMEOUT_S."""
        async with asyncio.timeout(COMMAND_TIMEOUT_S):
            return await self._run(command)

    async def _run(self, command: Command) -> Any:
        match command:
            case Prepare(work):
                return await self._texts.of(work)
            case Decode(work):
                return await self._decode(work)
            case SharedPrompt(seed):
                return await scenarios.shared_prompt(self._client, self._texts, seed)

    async def _decode(self, work: Work) -> Decoded:
        before = time.process_time()
        streams = await scenarios.decode(self._client, self._texts, work)
        return Decoded(streams, time.process_time() - before)

    async def aclose(self) -> None:
        """Closes the client."""
        await self._client.aclose()


def main(args: list[str]) -> None:
    """Serves commands until standard input closes."""
    kind, target = args
    gc.disable()
    with asyncio.Runner() as runner:
        load = runner.run(_load(kind, target))
        child.serve(lambda line: runner.run(load.answer(msgspec.json.decode(line, type=Command))))
        runner.run(load.aclose())


async def _load(kind: str, target: str) -> Load:
    return Load(connect(kind, target))


if __name__ == "__main__":
    main(sys.argv[1:])
