"""Who is measured: a Target answers prompts, and tells what it saw of the answer, on one clock.

    grpc_target      our endpoint
    openai_target    any OpenAI-compatible server; completion_events, http_client, http_connection and
                     http_answer are its streams and connections
    own_server       a server of our own, started for the run
    fake_target      a server that is not there, on the clock of virtual_time

A server to be measured is named by a Spec; `open_target` makes a Target of it.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from perf.targets.target import Target


@dataclass(frozen=True, slots=True)
class Spec:
    """`grpc` is HOST:PORT, `openai` a URL; with neither a server of our own is started for `model`.

    `settings` are XAPP_* of that server.
    """

    grpc: str = ""
    openai: str = ""
    model: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """For messages."""
        return self.grpc or self.openai or f"a server of our own for {self.model or 'the default model'}"


@asynccontextmanager
async def open_target(spec: Spec) -> AsyncIterator[Target]:
    """The Target, closed at the end. Raises TargetError when a server of our own does not come up.

    That somebody answers at an address is not checked here: `describe` does.
    """
    if not spec.grpc and not spec.openai:
        from perf.targets.own_server import own_target  # noqa: PLC0415  needs the server's packages

        async with own_target(spec.model, spec.settings) as own:
            yield own.target
        return
    target = _remote(spec)
    try:
        yield target
    finally:
        await target.aclose()


def _remote(spec: Spec) -> Target:
    from perf.targets.grpc_target import GrpcTarget  # noqa: PLC0415  only what is used
    from perf.targets.openai_target import OpenAITarget  # noqa: PLC0415

    if spec.openai:
        return OpenAITarget(spec.openai, model=spec.model)
    return GrpcTarget(spec.grpc, model=spec.model)
