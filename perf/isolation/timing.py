"""Whether the time to the first token tells a principal what another one asked.

A victim asks one of two questions that only it knows, by chance; then an attacker asks both, and
guesses that the question with the earlier first token was asked. The share of right guesses is the area under
the curve of the attack: 0.5 where time tells nothing, and 1 where it tells all. Both questions have the same
words in another order, and an attacker compares times of the same moment, so other load hides little. The
same is measured with both in one group, where it must tell. With `--scripted` the node's steps sleep:
scheduler, cache and admission are the real ones, and a trial takes half a second and hardly any CPU.
"""

import asyncio
import math
import os
import random
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from perf.process_under_test import HOST, Server, free_port
from xapp.inference.v1 import inference_pb2 as pb
from xapp.inference.v1 import inference_pb2_grpc
from xapp.security.tokens import hash_of

SCRIPTED, SCRIPTED_SPEED = "scripted", 24.0
_CALL_S = 120.0
_WORDS = ("red blue green black white north south east west good bad new old high low open " * 4).split()


@dataclass(frozen=True, slots=True)
class Guesses:
    """Times to the first token of each trial, seconds: of the question asked before, and of the other."""

    asked_s: list[float]
    not_asked_s: list[float]

    @property
    def auc(self) -> float:
        """The share of right guesses. A tie is half a guess."""
        pairs = list(zip(self.asked_s, self.not_asked_s, strict=True))
        return sum((asked < other) + 0.5 * (asked == other) for asked, other in pairs) / len(pairs)

    @property
    def interval(self) -> tuple[float, float]:
        """The bounds of `auc` with 95 % confidence (Wilson)."""
        count, z = len(self.asked_s), 1.96
        centre = (self.auc + z * z / (2 * count)) / (1 + z * z / count)
        half = z / (1 + z * z / count) * math.sqrt(self.auc * (1 - self.auc) / count + (z / (2 * count)) ** 2)
        return max(0.0, centre - half), min(1.0, centre + half)

    def figures(self) -> dict[str, Any]:
        """For the result."""
        low, high = self.interval
        return {
            "auc": round(self.auc, 4),
            "auc_95": [round(low, 4), round(high, 4)],
            "trials": len(self.asked_s),
            "asked_s": round(statistics.median(self.asked_s), 5),
            "not_asked_s": round(statistics.median(self.not_asked_s), 5),
        }


@contextmanager
def serving(folder: Path, model: str, policy: str) -> Iterator[str]:
    """The address of a node with tokens for a victim and an attacker. Steps of the model SCRIPTED sleep."""
    tokens, rules, port = folder / "tokens.toml", folder / "policy.toml", free_port(HOST)
    tokens.write_text("".join(f'{name} = ["{hash_of(name)}"]\n' for name in ("victim", "attacker")))
    rules.write_text(policy)
    settings = {"XAPP_HOST": HOST, "XAPP_MODEL": model, "XAPP_HTTP_PORT": "0", "XAPP_PIN_TASKS": "false"}
    settings |= {"XAPP_TOKENS_FILE": str(tokens), "XAPP_POLICY_FILE": str(rules), "XAPP_GRPC_PORT": str(port)}
    command = [sys.executable, "-m", "xapp.cli", "serve"]
    if model == SCRIPTED:
        settings["XAPP_BACKEND"] = "fake"
        command = [sys.executable, "-m", "perf.pool.server", str(SCRIPTED_SPEED)]
    server = Server(command, {**os.environ, **settings}, folder / "node.log")
    try:
        server.wait_for_port(f"{HOST}:{port}")
        yield f"{HOST}:{port}"
    finally:
        server.close()


async def attack(address: str, trials: int, seed: int = 1) -> dict[str, Any]:
    """The guesses of all trials."""
    guesses = Guesses([], [])
    dice = random.Random(seed)
    async with grpc.aio.insecure_channel(address) as channel:
        stub: Any = inference_pb2_grpc.InferenceServiceStub(channel)
        await _until_serving(stub)
        for _ in range(trials):
            questions = [_question(dice) for _ in range(2)]
            secret = dice.randrange(2)
            await _first_token_s(stub, "victim", questions[secret])
            for index in dice.sample((0, 1), 2):
                took_s = await _first_token_s(stub, "attacker", questions[index])
                (guesses.asked_s if index == secret else guesses.not_asked_s).append(took_s)
    return guesses.figures()


def _question(dice: random.Random) -> str:
    """Another one each time, of as many tokens."""
    return " ".join(dice.sample(_WORDS, len(_WORDS)))


async def _first_token_s(stub: Any, name: str, prompt: str) -> float:
    request = pb.GenerateRequest(prompt=prompt, max_tokens=1, ignore_eos=True)
    metadata = (("authorization", f"Bearer {name}"),)
    begin = time.monotonic()
    async for event in stub.Generate(request, timeout=_CALL_S, metadata=metadata, wait_for_ready=True):
        if not event.HasField("started"):
            break
    return time.monotonic() - begin


async def _until_serving(stub: Any) -> None:
    async with asyncio.timeout(_CALL_S):
        while True:
            try:
                await _first_token_s(stub, "attacker", "warm up")
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
                await asyncio.sleep(0.2)
            else:
                return
