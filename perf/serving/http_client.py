"""llama-server as a Client."""

import msgspec

from perf.serving.call import Call
from perf.serving.http_stream import Completion, complete, post


class _Tokens(msgspec.Struct):
    tokens: list[int]


class HttpClient:
    """Every call has a connection of its own, made before the clock starts."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port

    async def generate(self, prompt: str, num_tokens: int) -> Call:
        """Sends one completion."""
        return await complete(self._host, self._port, Completion(prompt, num_tokens))

    async def num_tokens(self, text: str) -> int:
        """As /completion would see it."""
        body = {"content": text, "add_special": True, "parse_special": True}
        answer = await post(self._host, self._port, "/tokenize", body)
        return len(msgspec.json.decode(answer, type=_Tokens).tokens)

    async def aclose(self) -> None:
        """Nothing stays open between calls."""
