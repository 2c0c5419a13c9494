"""Verification sessions on a worker with the fake backend."""

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from time import monotonic

import pytest

from tests.flat_settings import flat_settings
from xapp.backend.byte_vocab import ByteVocab
from xapp.backend.fake_rule import VOCAB_SIZE, log_probability, next_token
from xapp.domain.verification import Drafted, Opening, digest_of
from xapp.errors import Aborted, DeadlineExceeded, Exhausted, FailedPrecondition, InvalidArgument
from xapp.service import verify
from xapp.service.service import NodeService
from xapp.text.codec import TextCodec

PROMPT = tuple(b"Which cell is overloaded?")
VOCABULARY = TextCodec(ByteVocab()).vocabulary
OPENING = Opening("", VOCABULARY, PROMPT)


@pytest.fixture
async def node() -> AsyncIterator[NodeService]:
    settings = flat_settings(model="fake", backend="fake", slots=4, context_length=400, kv_cells=600)
    async with NodeService(settings) as node:
        await node.wait_ready()
        yield node


def own(tokens: Sequence[int], count: int) -> tuple[int, ...]:
    """The model's own next tokens."""
    known = list(tokens)
    for _ in range(count):
        known.append(next_token(known))
    return tuple(known[len(tokens) :])


async def test_right_drafts_are_accepted_and_the_next_token_follows(node: NodeService) -> None:
    session = await node.open_session(OPENING)
    right = own(PROMPT, 5)
    verdict = await session.verify(Drafted(len(PROMPT), (), right[:4]))
    assert (verdict.num_accepted, verdict.tokens) == (4, right[4:])
    again = await session.verify(Drafted(len(PROMPT), right, (), digest_of(PROMPT)))
    assert (again.num_accepted, again.tokens) == (0, own(PROMPT + right, 1))
    assert again.num_cached == len(PROMPT) + 4
    await session.aclose()


async def test_the_first_wrong_draft_is_corrected(node: NodeService) -> None:
    session = await node.open_session(OPENING)
    right = own(PROMPT, 3)
    verdict = await session.verify(Drafted(len(PROMPT), (), (*right[:2], 0, 1, 2)))
    assert (verdict.num_accepted, verdict.tokens) == (2, right[2:])


async def test_big_little_gets_every_surprisal_and_every_token(node: NodeService) -> None:
    session = await node.open_session(replace(OPENING, exact=False))
    drafts = (own(PROMPT, 1)[0], 65, 66)
    verdict = await session.verify(Drafted(len(PROMPT), (), drafts))
    known = [[*PROMPT, *drafts[:count]] for count in range(4)]
    assert verdict.tokens == tuple(map(next_token, known))
    expected = [-log_probability(before, draft) for before, draft in zip(known, drafts, strict=False)]
    assert verdict.surprisals == pytest.approx(expected)
    assert verdict.num_accepted == 1


async def test_another_vocabulary_is_refused_with_both_digests(node: NodeService) -> None:
    with pytest.raises(FailedPrecondition) as caught:
        await node.open_session(replace(OPENING, vocabulary="sha256:00"))
    assert caught.value.reason == "VOCABULARY_DIFFERS"
    assert caught.value.metadata == {"vocabulary": VOCABULARY, "asked": "sha256:00"}


@pytest.mark.parametrize(
    ("drafted", "field"),
    [
        (Drafted(len(PROMPT) + 1, (), ()), "verify.position"),
        (Drafted(-1, (), ()), "verify.position"),
        (Drafted(0, (), (1,)), "verify.tokens"),
        (Drafted(3, (), (VOCAB_SIZE,)), "verify.drafts"),
        (Drafted(3, (-1,), ()), "verify.tokens"),
        (Drafted(3, (), (1,) * 33), "verify.drafts"),
        (Drafted(3, (1,) * 396, (2, 2)), "verify.drafts"),
    ],
)
async def test_a_wrong_message_names_its_field_and_harms_nothing(
    node: NodeService, drafted: Drafted, field: str
) -> None:
    session = await node.open_session(OPENING)
    with pytest.raises(InvalidArgument) as caught:
        await session.verify(drafted)
    assert caught.value.field == field
    verdict = await session.verify(Drafted(len(PROMPT), (), own(PROMPT, 2), digest_of(PROMPT)))
    assert verdict.num_accepted == 2


async def test_other_tokens_before_the_drafts_are_noticed(node: NodeService) -> None:
    session = await node.open_session(OPENING)
    with pytest.raises(Aborted) as caught:
        await session.verify(Drafted(4, (), (), digest_of(tuple(b"another"))))
    assert caught.value.reason == "CONTEXT_DIFFERS"


async def test_tokens_of_an_opening_are_checked(node: NodeService) -> None:
    for tokens in ((), (VOCAB_SIZE,), (1,) * 401):
        with pytest.raises(InvalidArgument) as caught:
            await node.open_session(replace(OPENING, tokens=tokens))
        assert caught.value.field == "open.tokens"


async def test_sessions_are_bounded_and_closed_ones_do_not_count(
    node: NodeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "MAX_SESSIONS_OF_CLIENT", 3)
    sessions = [await node.open_session(replace(OPENING, client="a")) for _ in range(3)]
    with pytest.raises(Exhausted) as caught:
        await node.open_session(replace(OPENING, client="a"))
    assert caught.value.reason == "TOO_MANY_SESSIONS"
    other = await node.open_session(replace(OPENING, client="b"))
    await sessions[0].aclose()
    await sessions[0].aclose()
    await (await node.open_session(replace(OPENING, client="a"))).aclose()
    for each in (*sessions, other):
        await each.aclose()
    assert node._verifications.num_open == node._verifications.num_tokens == 0


async def test_tokens_of_all_sessions_are_bounded(node: NodeService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "MAX_SESSION_TOKENS", 2 * len(PROMPT))
    sessions = [await node.open_session(OPENING) for _ in range(2)]
    with pytest.raises(Exhausted):
        await node.open_session(OPENING)
    with pytest.raises(Exhausted):
        await sessions[0].verify(Drafted(len(PROMPT), (1,), ()))
    await sessions[1].aclose()
    await sessions[0].verify(Drafted(len(PROMPT), (1,), ()))


async def test_hundreds_of_sessions_at_once_are_answered(node: NodeService) -> None:
    async def one(number: int) -> bool:
        prompt = (number % 250, *PROMPT)
        session = await node.open_session(replace(OPENING, tokens=prompt, ignore_eos=True))
        right = own(prompt, 6)
        for _ in range(2):
            verdict = await session.verify(Drafted(len(prompt), (), right[:5]))
            if (verdict.num_accepted, verdict.tokens) != (5, right[5:]):
                return False
        if number % 2:
            await session.aclose()
        return True

    for start in range(0, 200, 20):
        assert all(await asyncio.gather(*map(one, range(start, start + 20))))


async def test_a_passed_deadline_ends_a_verification(node: NodeService) -> None:
    session = await node.open_session(replace(OPENING, deadline=monotonic() - 1))
    with pytest.raises(DeadlineExceeded):
        await session.verify(Drafted(len(PROMPT), (), ()))


async def test_the_quota_counts_verifications() -> None:
    quotas = '{"default": {"requests_per_s": 0.001, "burst_s": 2000}}'
    settings = flat_settings(model="fake", backend="fake", quotas=quotas)
    async with NodeService(settings) as node:
        await node.wait_ready()
        session = await node.open_session(OPENING)
        for _ in range(2):
            await session.verify(Drafted(len(PROMPT), (), ()))
        with pytest.raises(Exhausted) as caught:
            await session.verify(Drafted(len(PROMPT), (), ()))
    assert caught.value.reason == "QUOTA_EXCEEDED"


def test_surprisals_are_finite() -> None:
    assert all(math.isfinite(-log_probability([1], token)) for token in range(5))
