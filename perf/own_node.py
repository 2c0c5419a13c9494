"""A node of our own in this process, for what no port offers: the hidden states of its model."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic

from perf.targets.target import TargetError
from xapp.config import load_settings
from xapp.domain.answers import HiddenState
from xapp.domain.requests import ChatMessage, Request
from xapp.errors import XappError
from xapp.service.service import NodeService

DEADLINE_S = 300.0


@asynccontextmanager
async def own_node(model: str) -> AsyncIterator[NodeService]:
    """Serves `model` (a catalogue name or a path) for the block. Raises TargetError."""
    try:
        environment = {**os.environ, "XAPP_PIN_TASKS": "false"}
        service = NodeService(load_settings(environment, {"model": model}))
        try:
            await service.start()
            await service.wait_ready()
            yield service
        finally:
            await service.aclose()
    except XappError as error:
        raise TargetError("lost", str(error)) from error


async def hidden_state(node: NodeService, text: str) -> tuple[HiddenState, float]:
    """That of the last token of a single turn of the user, and the seconds that it took."""
    started = monotonic()
    request = Request(
        (ChatMessage("user", text),), max_tokens=1, ignore_eos=True, deadline=started + DEADLINE_S
    )
    found = await node.hidden_state(request)
    return found, monotonic() - started
