"""Cancelling and asking again, in all classes, with all kinds of deadlines, on a real server and engine.

Afterwards nothing is lost: every request that began has ended once, no slot is taken, cells hold
nothing but cached prefixes, and the node answers.
"""

import asyncio
import random
from collections import Counter
from time import monotonic

import grpc
import pytest

from tests.e2e.caller import Caller, calling, counted, until
from tests.live import serving
from tests.scale import sized
from xapp.inference.v1 import inference_pb2 as pb

pytestmark = pytest.mark.slow

NUM_CLIENTS = 40
SLOTS, CELLS = 3, 768
NODE = {
    "XAPP_BACKEND": "fake",
    "XAPP_SLOTS": str(SLOTS),
    "XAPP_KV_CELLS": str(CELLS),
    "XAPP_CONTEXT_LENGTH": str(CELLS),
    "XAPP_MAX_QUEUE": "12",
    "XAPP_AGEING_S": "0.5",
    "XAPP_QUOTAS": '{"greedy": {"concurrent": 3}}',
}


def request_of(dice: random.Random) -> pb.GenerateRequest:
    return pb.GenerateRequest(
        prompt=" ".join(dice.choices(("cell", "beam", "load", "fault"), k=dice.randint(1, 60))),
        max_tokens=dice.randint(1, 200),
        ignore_eos=True,
        priority=dice.choice((pb.PRIORITY_CRITICAL, pb.PRIORITY_INTERACTIVE, pb.PRIORITY_BATCH)),
        deadline_policy=dice.choice((pb.DEADLINE_POLICY_REJECT, pb.DEADLINE_POLICY_BEST_EFFORT)),
    )


async def ask(caller: Caller, dice: random.Random) -> str:
    """One request; what became of it."""
    name = dice.choice(("greedy", "modest", ""))
    call = caller.inference.Generate(
        request_of(dice), timeout=dice.choice((0.02, 0.2, 60.0)), metadata=(("x-client-id", name),)
    )
    try:
        for _ in range(dice.randint(0, 40)):
            if (await call.read()) is grpc.aio.EOF:
                return "whole"
    except grpc.aio.AioRpcError as error:
        return error.code().name
    finally:
        call.cancel()
    return "left"


@pytest.mark.parametrize(("joins", "storm_s"), [("true", sized(5.0, 60.0)), ("false", sized(3.0, 6.0))])
async def test_a_storm_loses_no_slot_no_cell_and_no_message(joins: str, storm_s: float) -> None:
    seen: Counter[str] = Counter()

    async def storm(caller: Caller, seed: int, until_at: float) -> None:
        dice = random.Random(seed)
        while monotonic() < until_at:
            seen[await ask(caller, dice)] += 1

    with serving(NODE | {"XAPP_JOIN_IDENTICAL": joins}) as server:
        server.wait_for("serving")
        async with calling(server) as caller:
            until_at = monotonic() + storm_s
            async with asyncio.TaskGroup() as group:
                for seed in range(NUM_CLIENTS):
                    group.create_task(storm(caller, seed, until_at))
            await until(caller.is_idle)
            assert {"left", "whole", "RESOURCE_EXHAUSTED"} <= seen.keys()
            assert seen.keys() <= {"left", "whole", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED", "CANCELLED"}
            assert await counted(server, "requests_total") == await counted(server, "outcomes_total")
            assert await counted(server, "preemptions_total") > 0
            assert await counted(server, "paused") == 0
            # Cells hold cached prefixes only; the next answers can have all of them.
            whole = pb.GenerateRequest(prompt="x", max_tokens=CELLS - 1, ignore_eos=True)
            events = await caller.generate(whole)
            assert events[-1].finished.usage.num_completion_tokens == CELLS - 1
            answers = await asyncio.gather(
                *(caller.generate(pb.GenerateRequest(prompt="hi", max_tokens=5)) for _ in range(SLOTS))
            )
            assert all(answer[-1].HasField("finished") for answer in answers)
        assert server.stop() == 0
