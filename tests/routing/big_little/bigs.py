"""A scripted big model, and a node whose little model is the fake backend."""

import asyncio
import zlib
from array import array
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.flat_settings import flat_settings
from xapp.backend.byte_vocab import ByteVocab
from xapp.backend.fake_rule import END_TOKEN, next_token
from xapp.config.big import BigSettings
from xapp.domain.messages import END_OF_ANSWER
from xapp.domain.requests import Request
from xapp.domain.verification import Drafted, Opened, Opening, Verdict, digest_of
from xapp.errors import Unavailable, XappError
from xapp.routing.big_little.big_side import Guidance, Traffic
from xapp.routing.big_little.pair import Pair
from xapp.service.service import NodeService
from xapp.text.codec import TextCodec

Rule = Callable[[Sequence[int]], int]


def big_rule(tokens: Sequence[int]) -> int:
    """As the little model, but for about every fourth token."""
    digest = zlib.crc32(array("i", [7, *tokens]).tobytes())
    if digest % 60 == 0:
        return END_TOKEN
    return ord("A") + digest % 26 if digest % 4 == 0 else next_token(tokens)


def surprisal(tokens: Sequence[int], draft: int) -> float:
    """0 for the big model's own token, otherwise from 0 to 8."""
    digest = zlib.crc32(array("i", [9, *tokens, draft]).tobytes())
    return 0.0 if draft == big_rule(tokens) else digest % 8000 / 1000


def own_answer(prompt: str, max_tokens: int, rule: Rule = big_rule) -> str:
    """A model's own greedy answer."""
    tokens = TextCodec(ByteVocab()).encode(prompt)
    start = len(tokens)
    while len(tokens) < start + max_tokens and (token := rule(tokens)) != END_TOKEN:
        tokens.append(token)
    return bytes(tokens[start:]).decode(errors="replace")


@dataclass
class ScriptedBig:
    """A BigSide. `broken`: its error for every call. `twist` changes verdicts. `held`: verdicts wait for it.

    `num_until_lost`: the link is lost after so many verdicts, and is back for the next session.
    """

    rule: Rule = big_rule
    broken: XappError | None = None
    twist: Callable[[Verdict], Verdict] = lambda verdict: verdict
    held: asyncio.Event | None = None
    num_until_lost: int = -1
    lost_with: XappError = field(default_factory=lambda: Unavailable("cut"))
    openings: list[Opening] = field(default_factory=list)
    verified: list[Drafted] = field(default_factory=list)
    num_open: int = 0
    guidance: Guidance = Guidance("Guided", False, "big")
    asked: list[Request] = field(default_factory=list)

    async def open_session(self, opening: Opening, traffic: Traffic) -> "ScriptedSession":
        if self.broken is not None:
            raise self.broken
        self.openings.append(opening)
        self.num_open += 1
        traffic.num_sent += 1
        return ScriptedSession(self, opening)

    async def write(self, request: Request, traffic: Traffic) -> Guidance:
        self.asked.append(request)
        if self.broken is not None:
            raise self.broken
        if self.held is not None:
            await self.held.wait()
        return self.guidance

    async def aclose(self) -> None:
        assert not self.num_open, "a session is left"


class ScriptedSession:
    def __init__(self, big: ScriptedBig, opening: Opening) -> None:
        self._big = big
        self._exact = opening.exact
        self._tokens = list(opening.tokens)
        self._is_open = True
        self.opened = Opened("big", "sha256:00", 4096)

    async def verify(self, drafted: Drafted) -> Verdict:
        big = self._big
        assert self._is_open
        assert drafted.digest == digest_of(self._tokens[: drafted.position])
        if big.held is not None:
            await big.held.wait()
        if big.broken is not None:
            raise big.broken
        if big.num_until_lost == 0:
            big.num_until_lost = -1
            raise big.lost_with
        big.num_until_lost -= big.num_until_lost > 0
        big.verified.append(drafted)
        self._tokens[drafted.position :] = drafted.tokens
        return big.twist(self._verdict(drafted.drafts))

    def _verdict(self, drafts: Sequence[int]) -> Verdict:
        known, tokens, surprisals = list(self._tokens), [], []
        for draft in drafts:
            tokens.append(self._big.rule(known))
            surprisals.append(surprisal(known, draft))
            known.append(draft)
        tokens.append(self._big.rule(known))
        pairs = zip(drafts, tokens, strict=False)
        right = next((place for place, (draft, token) in enumerate(pairs) if draft != token), len(drafts))
        said = tuple(END_OF_ANSWER if token == END_TOKEN else token for token in tokens)
        if self._exact:
            return Verdict(right, (said[right],))
        return Verdict(right, said, tuple(surprisals))

    async def aclose(self) -> None:
        self._big.num_open -= self._is_open
        self._is_open = False


@asynccontextmanager
async def paired(big: ScriptedBig, **fields: Any) -> AsyncIterator[NodeService]:
    """A node with a little model, and this big model."""
    node = NodeService(flat_settings(model="fake", backend="fake", slots=4, pin_tasks=False))
    node.use_pair(Pair(BigSettings(**fields), big, node.new_id))
    async with node:
        await node.wait_ready()
        yield node
