"""A real server with the port of OpenAI's dialect, and OpenAI's own client for it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from openai import AsyncOpenAI, OpenAI

from perf.process_under_test import free_port
from tests.live import LiveServer, serving

KEY = "no-key-is-needed"


@dataclass(frozen=True)
class LiveGateway:
    """The server, and the base URL that clients are given."""

    server: LiveServer
    url: str

    def client(self, key: str = KEY) -> AsyncOpenAI:
        """Without retries: a test sees each answer."""
        return AsyncOpenAI(base_url=f"{self.url}/v1", api_key=key, max_retries=0)

    def blocking_client(self) -> OpenAI:
        return OpenAI(base_url=f"{self.url}/v1", api_key=KEY, max_retries=0)


@contextmanager
def serving_openai(environ: Mapping[str, str]) -> Iterator[LiveGateway]:
    port = str(free_port())
    with serving({"XAPP_OPENAI_PORT": port, **environ}) as server:
        yield LiveGateway(server, f"http://127.0.0.1:{server.wait_for('listening')['openai_port']}")
