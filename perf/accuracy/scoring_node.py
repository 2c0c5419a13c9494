"""Who is asked: a node that is serving, or a server of our own for the run."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import msgspec

from perf.accuracy.scorer import GrpcScorer
from perf.record import result_schema
from perf.targets.grpc_target import GrpcTarget
from perf.targets.own_server import own_target
from xapp.client import Client

STEP_TOKENS = 63
"""Most tokens of one step of our own server. From 64 rows on llama.cpp's CPU flash attention takes another
kernel, which rounds differently: a score would depend on what else is in the batch."""

REPEATABLE = {"XAPP_BATCH_TOKENS": str(STEP_TOKENS), "XAPP_PREFIX_CACHE": "false"}
"""Settings with which one question at a time scores the same again, and as llama.cpp itself does. Without
cached prefixes a prompt's cells lie in order, and attention sums over cells in the order they lie in."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node and one model on it."""

    target: result_schema.Target
    scorer: GrpcScorer


@asynccontextmanager
async def serving(address: str | None, model: str, name: str) -> AsyncIterator[Node]:
    """The model of the node at `address`, or without one of a server started for it; called `name`.

    Raises TargetError when there is none.
    """
    if address is not None:
        target = GrpcTarget(address, model=model)
        try:
            async with _node(target, address, name, model) as node:
                yield node
        finally:
            await target.aclose()
        return
    async with (
        own_target(model, REPEATABLE) as own,
        _node(own.target, own.server.target, name, "") as node,
    ):
        yield node


@asynccontextmanager
async def _node(target: GrpcTarget, address: str, name: str, served: str) -> AsyncIterator[Node]:
    told = await target.describe()
    async with Client(address) as client:
        yield Node(msgspec.structs.replace(told, model=name), GrpcScorer(client, model=served))


async def describe(address: str, model: str) -> result_schema.Target:
    """The model of a node that is serving. Raises TargetError."""
    target = GrpcTarget(address, model=model)
    try:
        return await target.describe()
    finally:
        await target.aclose()
