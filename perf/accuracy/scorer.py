"""The seam to who scores: texts after a prompt, each with its tokens' log-probabilities."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from perf.targets.target import TargetError
from xapp.client import Client, ClientError
from xapp.inference.v1 import inference_pb2 as pb

MAX_REFUSALS = 20
_RETRY_S = 0.5
_CODES = {"INVALID_ARGUMENT": "invalid", "NOT_FOUND": "missing_model", "UNIMPLEMENTED": "protocol"}


@dataclass(frozen=True, slots=True)
class Token:
    """A token's bytes and the natural logarithm of its probability."""

    text: bytes
    log_probability: float


@dataclass(frozen=True, slots=True)
class Scored:
    """One text. The first token may begin before it, where it spans the prompt's end."""

    text: str
    log_probability: float
    tokens: tuple[Token, ...]


@dataclass(frozen=True, slots=True)
class Scores:
    """One prompt's texts, in the order asked."""

    num_prompt_tokens: int
    texts: tuple[Scored, ...]


class Scorer(Protocol):
    """Who scores."""

    async def score(self, prompt: str, texts: Sequence[str]) -> Scores:
        """Raises TargetError; `invalid` when it is the request's own fault."""
        ...


class GrpcScorer:
    """A node's Score RPC. A refusal for want of room is tried again, as long as the node says."""

    def __init__(self, client: Client, *, model: str = "", deadline_s: float = 600.0) -> None:
        self._client = client
        self._model = model
        self._deadline_s = deadline_s

    async def score(self, prompt: str, texts: Sequence[str]) -> Scores:
        """See Scorer."""
        for _ in range(MAX_REFUSALS):
            try:
                return _scores(await self._ask(prompt, texts))
            except ClientError as error:
                if error.code != "RESOURCE_EXHAUSTED":
                    raise _target_error(self._client.target, error) from error
                await asyncio.sleep(_RETRY_S if error.retry_after_s is None else error.retry_after_s)
        raise TargetError("refused", f"{self._client.target} refused {MAX_REFUSALS} times: it has no room")

    async def _ask(self, prompt: str, texts: Sequence[str]) -> pb.ScoreResponse:
        return await self._client.score(
            prompt, texts, model=self._model, include_tokens=True, deadline_s=self._deadline_s
        )


def _scores(response: pb.ScoreResponse) -> Scores:
    texts = tuple(_scored(choice) for choice in response.choices)
    return Scores(response.usage.num_prompt_tokens, texts)


def _scored(choice: pb.ChoiceScore) -> Scored:
    tokens = tuple(Token(token.text, token.log_probability) for token in choice.tokens)
    return Scored(choice.choice, choice.log_probability, tokens)


def _target_error(address: str, error: ClientError) -> TargetError:
    return TargetError(_CODES.get(error.code, "lost"), f"{address}: {error}")
