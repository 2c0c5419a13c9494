"""The echo server as a process, asked by the client that asks ours."""

from collections.abc import Iterator

import pytest

from perf.callers.caller_process import answer, connect
from perf.callers.load_commands import Decode, Seen, ServerAddress
from perf.compare.echo_server import EchoServer, pace
from perf.server_processes import LOGS


@pytest.fixture(scope="module")
def server() -> Iterator[EchoServer]:
    LOGS.mkdir(parents=True, exist_ok=True)
    with EchoServer() as made:
        made.wait_until_serving()
        yield made


async def test_every_stream_has_as_many_tokens_as_were_asked_for(server: EchoServer) -> None:
    client = connect(ServerAddress(grpc=server.target))
    try:
        seen = await answer(client, Decode(["0.005", "0.005"], 7))
    finally:
        await client.aclose()
    assert isinstance(seen, Seen)
    assert [len(stream.arrivals) for stream in seen.streams] == [7, 7]


@pytest.mark.parametrize(
    ("prompt", "seconds"), [("0.02", 0.02), ("Warm-up 1 of stream 2.", 0.0), ("-1", 0.0)]
)
def test_the_prompt_is_the_pace(prompt: str, seconds: float) -> None:
    assert pace(prompt) == seconds
