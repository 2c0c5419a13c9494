"""Check of the speed: a server of this command's own answers a question."""

import asyncio

import click

from xapp.cli.doctor.finding import Finding, fail, good, warn
from xapp.cli.own_server import OwnServer, own_server
from xapp.cli.stream_watch import Watch
from xapp.client import Client, ClientError, user
from xapp.config import Settings

_QUESTION = "In one sentence: what is a radio access network?"
_MAX_TOKENS = 16
_SLOW_S = 5.0


def check_speed(settings: Settings) -> Finding:
    """Time to first token and tokens/s of one question to an idle server."""
    try:
        with own_server(settings.node.model) as server:
            try:
                watch = asyncio.run(_ask(server))
            except ClientError as error:
                return fail("speed", f"{error}: {server.tail()}", "mend what the log says")
            server.stop()
    except click.ClickException as error:
        return fail("speed", error.message, "mend what the log says")
    if watch.ttft_s is None or watch.ttft_s > _SLOW_S:
        advice = "choose a smaller model, or: genai-xapp models optimize NAME"
        return warn("speed", watch.summary(), advice)
    return good("speed", watch.summary())


async def _ask(server: OwnServer) -> Watch:
    async with Client(server.target) as client:
        await server.until_serving(client)
        watch = Watch()
        async for event in client.generate([user(_QUESTION)], max_tokens=_MAX_TOKENS):
            watch.follow(event)
    return watch
