"""Whether a principal learns by timing what others asked, and whether anything of theirs gets into answers.

    python -m perf.isolation [--scripted | --model NAME] [--trials 600] [--requests 100000]

**Timing.** A victim asks one of two questions that only it knows, by chance; then an attacker asks both, and
guesses that the question with the earlier first token was asked. The share of right guesses is the area under
the curve of the attack: 0.5 where time tells nothing, and 1 where it tells all. Both questions have the same
words in another order, and an attacker compares times of the same moment, so other load hides little. The
same is measured with both in one group, where it must tell. With `--scripted` the node's steps sleep:
scheduler, cache and admission are the real ones, and a trial takes half a second and hardly any CPU.

**Mixing.** Requests of many principals, whose prompts begin alike, run through the engine with the fake
backend. The next token of an answer follows from all tokens before it, so one foreign token makes a wrong
answer; and no request may find more in the cache than its own principal asked before.
"""

import argparse
import asyncio
import json
import math
import os
import random
import statistics
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from perf.process_under_test import HOST, Server, free_port
from xapp.backend.fake import FakeBackend
from xapp.config import EngineSettings
from xapp.domain.messages import StepEvents, Submit
from xapp.domain.prefix import common_prefix
from xapp.domain.scope import of_principal
from xapp.engine.engine import Engine
from xapp.inference.v1 import inference_pb2 as pb
from xapp.inference.v1 import inference_pb2_grpc
from xapp.security.tokens import hash_of

AUC_BAR = 0.55
TOGETHER_TRIALS = 60
SCRIPTED, SCRIPTED_SPEED = "scripted", 24.0
NUM_PRINCIPALS = 12
MAX_OPEN = 24
_CALL_S = 120.0
_WORDS = ("red blue green black white north south east west good bad new old high low open " * 4).split()
_TOGETHER = '[default]\nshares = "all"\n'


# ---- timing


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


# ---- mixing


@dataclass
class _Open:
    name: str
    request: Submit
    tokens: list[int]


class Mix:
    """Requests of many principals on one engine, each answer held against what it must be."""

    def __init__(self, seed: int = 1) -> None:
        self._dice = random.Random(seed)
        settings = EngineSettings(slots=8, kv_cells=2048, context_length=512)
        self._backend = FakeBackend(settings, num_sequences=16, rule=_next_token)
        self._engine = Engine(self._backend)
        self._asked: dict[str, deque[list[int]]] = {}
        self._open: dict[int, _Open] = {}
        self.num_requests = self.num_foreign = self.num_shared = 0

    def run(self, count: int) -> None:
        """So many requests more, to the end."""
        until = self.num_requests + count
        while self.num_requests < until or self._engine.has_work:
            while self.num_requests < until and len(self._open) < MAX_OPEN:
                self._submit()
            self._backend.batches.clear()
            self._read(self._engine.step())

    def _submit(self) -> None:
        dice = self._dice
        name = str(dice.randrange(NUM_PRINCIPALS))
        prompt = [dice.randrange(3)] * 16 + [dice.randrange(2)] * 8 + [dice.randrange(250) for _ in range(4)]
        request = Submit(
            self.num_requests, prompt, dice.randint(1, 4), ignore_eos=True, scope=_scope_of(name)
        )
        self._asked.setdefault(name, deque(maxlen=256)).append(prompt)
        self._open[request.request_id] = _Open(name, request, [])
        self.num_requests += 1
        self._engine.submit(request)

    def _most_cached(self, opened: _Open) -> int:
        """Of its prompt, what its principal asked otherwise. Later requests may run first."""
        prompt = opened.request.prompt
        others = (each for each in self._asked[opened.name] if each is not prompt)
        return max((common_prefix(each, prompt) for each in others), default=0)

    def _read(self, events: StepEvents) -> None:
        for started in events.started:
            self.num_shared += started.num_cached_tokens > 0
            most = self._most_cached(self._open[started.request_id])
            self.num_foreign += started.num_cached_tokens > most
        pairs = iter(events.tokens)
        for request_id, token in zip(pairs, pairs, strict=True):
            self._open[request_id].tokens.append(token)
        for finished in events.finished:
            ended = self._open.pop(finished.request_id)
            self.num_foreign += ended.tokens != _answer(ended.request)


def _scope_of(name: str) -> str:
    return of_principal(name)


def _next_token(tokens: Sequence[int]) -> int:
    return hash(tuple(tokens)) % 250


def _answer(request: Submit) -> list[int]:
    tokens = list(request.prompt)
    for _ in range(request.max_tokens):
        tokens.append(_next_token(tokens))
    return tokens[len(request.prompt) :]


def main() -> int:
    """Prints JSON; exit status 1 where a bar is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--model", default="smollm2-135m-q4_1")
    which.add_argument("--scripted", dest="model", action="store_const", const=SCRIPTED)
    parser.add_argument("--trials", type=int, default=600, help="of principals of their own")
    parser.add_argument("--requests", type=int, default=100_000)
    options = parser.parse_args()
    result: dict[str, Any] = {"bar": AUC_BAR}
    few = min(options.trials, TOGETHER_TRIALS)
    for name, policy, trials in (("apart", "[default]\n", options.trials), ("one_group", _TOGETHER, few)):
        if options.trials:
            with (
                tempfile.TemporaryDirectory() as folder,
                serving(Path(folder), options.model, policy) as address,
            ):
                result[name] = asyncio.run(attack(address, trials))
    mix = Mix()
    mix.run(options.requests)
    result |= {"requests": mix.num_requests, "shared": mix.num_shared, "foreign": mix.num_foreign}
    print(json.dumps(result, indent=2))
    told = options.trials and result["apart"]["auc"] > AUC_BAR
    return 1 if told or mix.num_foreign else 0


if __name__ == "__main__":
    sys.exit(main())
