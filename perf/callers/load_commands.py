"""What is said to a process of callers, and what it answers, a JSON line each."""

from typing import Any, TypeAlias

import msgspec

from perf.stream_figures import Stream


class ServerAddress(msgspec.Struct, frozen=True):
    """A server to be called: `grpc` is HOST:PORT, else `openai` a URL.

    `model` and `extra` (fields of every request) are for an OpenAI-compatible server.
    """

    grpc: str = ""
    openai: str = ""
    model: str = ""
    extra: dict[str, Any] = {}


class Decode(msgspec.Struct, frozen=True, tag=True):
    """All prompts at once, `num_tokens` for each."""

    prompts: list[str]
    num_tokens: int


class Prime(msgspec.Struct, frozen=True, tag=True):
    """The prompts one after another, one token each: a server that keeps prompts has them computed then."""

    prompts: list[str]


class Solo(msgspec.Struct, frozen=True, tag=True):
    """One prompt of `prompt_tokens`, and nothing else meanwhile."""

    prompt: str
    num_tokens: int
    prompt_tokens: int


class Arrivals(msgspec.Struct, frozen=True, tag=True):
    """A prompt every `interval_s`, whatever the answers do; 0 sends all at once."""

    prompts: list[str]
    num_tokens: int
    interval_s: float


class Mixed(msgspec.Struct, frozen=True, tag=True):
    """`alone`, then `newcomer` (as long) among streams of the `running` prompts.

    `running_tokens` bounds those streams; they are cancelled when the newcomer is answered.
    """

    alone: str
    newcomer: str
    running: list[str]
    running_tokens: int


class SharedPrefix(msgspec.Struct, frozen=True, tag=True):
    """`first`, then the `others`, which begin as it does, at once."""

    first: str
    others: list[str]
    num_tokens: int


class Seen(msgspec.Struct, frozen=True, tag=True):
    """What came back. `single` are the requests that went one at a time, in order.

    `client_cpu_s` is the client's own, over the whole command.
    """

    streams: list[Stream]
    single: list[Stream]
    client_cpu_s: float


class Failed(msgspec.Struct, frozen=True, tag=True):
    """The server did not do it; `code` is one of `perf.targets.target.TargetError`'s."""

    code: str
    message: str


Command: TypeAlias = Decode | Prime | Solo | Arrivals | Mixed | SharedPrefix
Reply: TypeAlias = Seen | Failed
