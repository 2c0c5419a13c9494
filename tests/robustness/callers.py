"""Callers of a node: each asks one request after the other, of all kinds, and writes down what it sees."""

import asyncio
import random
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any

import grpc

from tests.robustness import verifying
from tests.robustness.history import Asked, Call, Event, History
from tests.robustness.recording import IDENTITIES, WrongAnswer, bearer, check_scores, ended, event_of
from xapp.inference.v1 import inference_pb2 as pb
from xapp.inference.v1 import inference_pb2_grpc, verification_pb2_grpc

PATIENCE_S = 45.0
"""A call that has not ended by then never does: its end is a violation."""
LENGTHS = (1, 8, 24, 60)
"""Tokens of answers."""
_THINK_S = 0.03
_PRIORITIES = (pb.PRIORITY_CRITICAL, pb.PRIORITY_INTERACTIVE, pb.PRIORITY_BATCH)
_KINDS = {
    "answer": 5,
    "shared": 4,
    "cancelled": 3,
    "promised": 3,
    "hurried": 2,
    "joined": 2,
    "deterministic": 1,
    "guessed": 1,
    "scored": 2,
    "counted": 1,
    "verified": 1,
}
"""Kind of a request → how often it is asked."""

AnswerOf = Callable[[str, int], str]


class Caller:
    """One caller. `answer_of` tells the solo answer to a prompt with so many tokens. Without `prompts` each
    request has a prompt of its own.
    """

    def __init__(
        self,
        history: History,
        channel: grpc.aio.Channel,
        rng: random.Random,
        answer_of: AnswerOf,
        prompts: Sequence[str] = (),
    ) -> None:
        self._history = history
        self._stub: Any = inference_pb2_grpc.InferenceServiceStub(channel)
        self._sessions: Any = verification_pb2_grpc.VerificationServiceStub(channel)
        self._random = rng
        self._answer_of = answer_of
        self._prompts = prompts

    async def run(self, until: float) -> None:
        """Asks until that time."""
        while monotonic() < until:
            await self.ask(self._random.choices(list(_KINDS), list(_KINDS.values()))[0])
            await asyncio.sleep(self._random.random() * _THINK_S)

    async def ask(self, kind: str) -> None:
        """One request, to its end."""
        identity = self._random.choice(IDENTITIES)
        name = self._history.new_id()
        if kind == "scored":
            await self._score(name, identity)
        elif kind == "counted":
            await self._count(name, identity)
        elif kind == "verified":
            await self._verify(name, identity)
        else:
            request, asked = self._question(name, identity, kind)
            await self._both(request, asked) if kind == "joined" else await self._generate(request, asked)

    def _question(self, name: str, identity: str, kind: str) -> tuple[pb.GenerateRequest, Asked]:
        max_tokens = self._random.choice(LENGTHS)
        prompt = self._prompt(name, identity, kind)
        request = pb.GenerateRequest(
            prompt=prompt,
            max_tokens=max_tokens,
            priority=self._random.choice(_PRIORITIES),
            correlation_id=name,
            deterministic=kind == "deterministic",
            deadline_policy=pb.DEADLINE_POLICY_REJECT
            if kind == "promised"
            else pb.DEADLINE_POLICY_BEST_EFFORT,
        )
        if kind == "guessed":
            request.strategy.ngram.SetInParent()
        return request, Asked(
            name,
            identity,
            kind,
            self._answer_of(prompt, max_tokens),
            deadline_s=self._deadline_s(kind),
            promised=kind == "promised",
            cancel_after=self._random.randrange(3) if kind == "cancelled" else None,
        )

    def _prompt(self, name: str, identity: str, kind: str) -> str:
        if self._prompts:
            return self._random.choice(self._prompts)
        words = " ".join(
            self._random.choice(("cell", "load", "beam", "drop")) for _ in range(self._random.randrange(40))
        )
        if kind == "shared":
            return f"{identity} asks about the cells of the north, all of them and again: {words} {name}"
        return f"{name} of {identity}: {words}"

    def _deadline_s(self, kind: str) -> float | None:
        match kind:
            case "promised":
                return self._random.choice((1.0, 3.0, 8.0))
            case "hurried":
                return self._random.choice((0.005, 0.05, 0.3))
        return None

    async def _both(self, request: pb.GenerateRequest, asked: Asked) -> None:
        """Two equal requests at once: one computation may answer both."""
        second, other = pb.GenerateRequest(), f"{asked.id}b"
        second.CopyFrom(request)
        second.correlation_id = other
        await asyncio.gather(
            self._generate(request, asked),
            self._generate(second, Asked(other, asked.identity, asked.kind, asked.answer)),
        )

    async def _generate(self, request: pb.GenerateRequest, asked: Asked) -> None:
        call = self._begin(asked)
        stream = self._stub.Generate(
            request, timeout=asked.deadline_s or PATIENCE_S, metadata=bearer(asked.identity)
        )
        async with ended(call):
            async for message in stream:
                call.events.append(event_of(message))
                if asked.cancel_after is not None and len(call.events) > asked.cancel_after:
                    stream.cancel()

    async def _score(self, name: str, identity: str) -> None:
        prompt, choices = self._prompt(name, identity, "scored"), (" yes", " no", " maybe")
        call = self._begin(Asked(name, identity, "scored"))
        request = pb.ScoreRequest(prompt=prompt, choices=choices, correlation_id=name)
        async with ended(call):
            answer = await self._stub.Score(request, timeout=PATIENCE_S, metadata=bearer(identity))
            if self._history.answers_are_exact:
                check_scores(prompt, answer)
            call.events.append(Event(monotonic(), "result"))

    async def _count(self, name: str, identity: str) -> None:
        prompt = self._prompt(name, identity, "counted")
        call = self._begin(Asked(name, identity, "counted"))
        async with ended(call):
            request = pb.TokenizeRequest(prompt=prompt)
            answer = await self._stub.Tokenize(request, timeout=PATIENCE_S, metadata=bearer(identity))
            if self._history.answers_are_exact and bytes(answer.tokens) != prompt.encode():
                raise WrongAnswer(f"the tokens of {prompt!r} are {list(answer.tokens)}")
            call.events.append(Event(monotonic(), "result"))

    async def _verify(self, name: str, identity: str) -> None:
        if not self._history.answers_are_exact:
            return
        call = self._begin(Asked(name, identity, "verified"))
        prompt, wrong_at = self._prompt(name, identity, "verified"), self._random.randrange(8)
        async with ended(call):
            options = {"timeout": PATIENCE_S, "metadata": bearer(identity)}
            call.events.append(await verifying.verify(self._sessions, prompt, wrong_at, **options))

    def _begin(self, asked: Asked) -> Call:
        call = Call(asked, monotonic())
        self._history.calls.append(call)
        return call


async def solo(channel: grpc.aio.Channel, prompt: str, max_tokens: int) -> str:
    """The greedy answer of a node that has nothing else to do."""
    stub: Any = inference_pb2_grpc.InferenceServiceStub(channel)
    request = pb.GenerateRequest(prompt=prompt, max_tokens=max_tokens)
    stream = stub.Generate(request, timeout=PATIENCE_S, metadata=bearer(IDENTITIES[0]))
    return "".join([message.chunk.text async for message in stream])
