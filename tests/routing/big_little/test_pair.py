"""Answers of two models: a little model on a fake backend, and a scripted big model."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from math import inf, log
from time import monotonic

import msgspec
import pytest

from tests.flat_settings import flat_settings
from tests.routing.big_little.bigs import ScriptedBig, big_rule, own_answer, paired, surprisal
from tests.service.nodes import collect, finished_of, text_of
from xapp.backend.byte_vocab import ByteVocab
from xapp.backend.fake_rule import END_TOKEN, log_probability, next_token
from xapp.domain.answers import Finished
from xapp.domain.big_little import BigLittle, Guided, LinkLoss, PairFigures, Verified
from xapp.domain.chat import ChatMessage
from xapp.domain.format_kinds import Choices
from xapp.domain.messages import FinishReason
from xapp.domain.requests import DeadlinePolicy, Request, Strategy
from xapp.domain.verification import Verdict
from xapp.errors import (
    Aborted,
    DeadlineExceeded,
    Exhausted,
    FailedPrecondition,
    InvalidArgument,
    Unavailable,
    XappError,
)
from xapp.service.service import NodeService
from xapp.text.codec import TextCodec

PROMPT = "Which of the cells is overloaded?"
ON = LinkLoss.LITTLE_ONLY


def asked(strategy: Strategy, max_tokens: int = 60, **fields: object) -> Request:
    return Request(PROMPT, strategy=strategy, max_tokens=max_tokens, **fields)  # type: ignore[arg-type]


async def answered(node: NodeService, request: Request) -> tuple[str, Finished, PairFigures]:
    events = await collect(node, request)
    finished = finished_of(events)
    assert finished.pair is not None
    return text_of(events), finished, finished.pair


async def failed(node: NodeService, request: Request) -> XappError:
    with pytest.raises(XappError) as caught:
        await collect(node, request)
    return caught.value


def big_little_answer(strategy: BigLittle, max_tokens: int) -> str:
    """Big Little Decoder, written down once more, from the reference."""
    tokens = TextCodec(ByteVocab()).encode(PROMPT)
    start = len(tokens)
    while True:
        drafts: list[int] = []
        most = min(strategy.max_drafts, max_tokens - (len(tokens) - start) - 1)
        while len(drafts) < most:
            token = next_token([*tokens, *drafts])
            if log_probability([*tokens, *drafts], token) < _log(strategy.fallback) or token == END_TOKEN:
                break
            drafts.append(token)
        new = [*drafts, big_rule([*tokens, *drafts])]
        for place, draft in enumerate(drafts):
            before = [*tokens, *drafts[:place]]
            if surprisal(before, draft) > strategy.rollback and big_rule(before) != draft:
                new = [*drafts[:place], big_rule(before)]
                break
        for token in new:
            if token == END_TOKEN:
                return bytes(tokens[start:]).decode(errors="replace")
            tokens.append(token)
            if len(tokens) - start == max_tokens:
                return bytes(tokens[start:]).decode(errors="replace")


def _log(value: float) -> float:
    return log(value) if value else -inf


@pytest.mark.parametrize("pipeline", [True, False])
async def test_a_verified_answer_is_the_big_model_s_own(pipeline: bool) -> None:
    async with paired(ScriptedBig(), pipeline=pipeline) as node:
        for max_drafts, length in product((1, 5, 32), (1, 2, 30, 200)):
            text, finished, pair = await answered(node, asked(Verified(max_drafts), length))
            assert text == own_answer(PROMPT, length)
            assert pair.num_big_passes >= 1
            assert finished.num_drafted >= finished.num_accepted
            assert pair.num_unverified == pair.num_rollbacks == pair.num_fallbacks == 0


@pytest.mark.parametrize("pipeline", [True, False])
async def test_big_little_falls_back_and_rolls_back_as_the_reference_says(pipeline: bool) -> None:
    async with paired(ScriptedBig(), pipeline=pipeline) as node:
        for fallback, rollback, length in product((0.0, 0.02, 0.3, 1.0), (0.0, 3.0, 100.0), (1, 40)):
            strategy = BigLittle(fallback, rollback)
            text, finished, pair = await answered(node, asked(strategy, length))
            assert text == big_little_answer(strategy, length)
            assert rollback < 100.0 or not pair.num_rollbacks
            assert (fallback, rollback, length) != (0.0, 0.0, 40) or pair.num_rollbacks
            assert fallback or not pair.num_fallbacks
            assert fallback < 1.0 or length == 1 or pair.num_fallbacks
            assert finished.num_drafted >= finished.num_accepted


async def test_figures_of_an_answer() -> None:
    async with paired(ScriptedBig(rule=next_token)) as node:
        text, finished, pair = await answered(node, asked(Verified(5), 24))
    assert text == own_answer(PROMPT, 24, next_token)
    assert (finished.num_drafted, finished.num_accepted, pair.num_big_passes) == (20, 20, 4)
    assert pair.answered_by == "fake+big"
    assert finished.reason is FinishReason.LENGTH
    assert finished.num_completion_tokens == 24


async def test_a_request_stays_what_it_is_otherwise() -> None:
    async with paired(ScriptedBig()) as node:
        full = own_answer(PROMPT, 60)
        text, finished, _ = await answered_without_pair(node, asked(Verified(), 60, stop=(full[9:12],)))
        assert (text, finished.reason) == (full[:9], FinishReason.STOP)


async def answered_without_pair(node: NodeService, request: Request) -> tuple[str, Finished, None]:
    events = await collect(node, request)
    return text_of(events), finished_of(events), None


# ---- the link


@pytest.mark.parametrize("strategy", [Verified(), BigLittle(), Guided()])
async def test_without_a_big_model_an_answer_ends_or_goes_on_as_asked(strategy: Strategy) -> None:
    async with paired(ScriptedBig(broken=Unavailable("no route"))) as node:
        error = await failed(node, asked(strategy))
        assert (error.code, "no route" in error.message) == ("UNAVAILABLE", True)
        alone = _replaced(strategy)
        text, finished, pair = await answered(node, asked(alone))
        assert text == own_answer(PROMPT, 60, next_token)
        assert pair.num_unverified == finished.num_completion_tokens
        assert (pair.answered_by, pair.num_big_passes) == ("fake", 0)


def _replaced(strategy: Strategy) -> Strategy:
    return msgspec.structs.replace(strategy, on_link_loss=ON)


@pytest.mark.parametrize("after", [0, 1, 3])
@pytest.mark.parametrize("error", [Unavailable("cut"), Exhausted("full"), DeadlineExceeded("late")])
async def test_a_link_that_is_lost_in_mid_answer(after: int, error: XappError) -> None:
    big = ScriptedBig(num_until_lost=after, lost_with=error)
    async with paired(big) as node:
        lost = await failed(node, asked(Verified(3)))
        assert lost.code == "UNAVAILABLE"
        assert not big.num_open
        big.num_until_lost = after
        _, finished, pair = await answered(node, asked(Verified(3, ON)))
    assert pair.num_unverified > 0
    assert pair.num_big_passes >= after
    assert finished.reason in {FinishReason.STOP, FinishReason.LENGTH}


async def test_verification_goes_on_when_the_link_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xapp.routing.big_little.link.FIRST_DELAY_S", 0.0)
    big = ScriptedBig(rule=next_token, num_until_lost=1)
    async with paired(big) as node:
        text, _, pair = await answered(node, asked(Verified(3, ON), 60))
    assert text == own_answer(PROMPT, 60, next_token)
    assert len(big.openings) == 2
    assert pair.num_big_passes > 1
    assert big.openings[1].tokens == (
        *PROMPT.encode(),
        *text.encode()[: len(big.openings[1].tokens) - len(PROMPT)],
    )


@pytest.mark.parametrize("error", [Aborted("gone"), Aborted("other", reason="CONTEXT_DIFFERS")])
async def test_a_session_that_the_big_side_let_go_is_opened_again_unnoticed(error: XappError) -> None:
    big = ScriptedBig(num_until_lost=2, lost_with=error)
    async with paired(big) as node:
        text, _, pair = await answered(node, asked(Verified(3)))
    assert text == own_answer(PROMPT, 60)
    assert (len(big.openings), pair.num_unverified) == (2, 0)


@pytest.mark.parametrize("on_link_loss", LinkLoss)
async def test_another_vocabulary_ends_the_answer_whatever_was_asked(on_link_loss: LinkLoss) -> None:
    refusal = FailedPrecondition("another vocabulary", reason="VOCABULARY_DIFFERS")
    async with paired(ScriptedBig(broken=refusal)) as node:
        error = await failed(node, asked(Verified(3, on_link_loss)))
    assert (error.code, error.reason) == ("FAILED_PRECONDITION", "VOCABULARY_DIFFERS")


LIES: dict[str, Callable[[Verdict], Verdict]] = {
    "more accepted than drafted": lambda verdict: replace(verdict, num_accepted=33),
    "fewer than none": lambda verdict: replace(verdict, num_accepted=-1),
    "no token": lambda verdict: replace(verdict, tokens=()),
    "two tokens": lambda verdict: replace(verdict, tokens=verdict.tokens * 2),
    "a token that is none": lambda verdict: replace(verdict, tokens=(260,) * len(verdict.tokens)),
    "a token below": lambda verdict: replace(verdict, tokens=(-2,) * len(verdict.tokens)),
}
BIG_LITTLE_LIES: dict[str, Callable[[Verdict], Verdict]] = {
    "no number": lambda verdict: replace(verdict, surprisals=(float("nan"),) * len(verdict.surprisals)),
    "below 0": lambda verdict: replace(verdict, surprisals=(-1.0,) * len(verdict.surprisals)),
    "too few": lambda verdict: replace(verdict, surprisals=verdict.surprisals[1:]),
    "too many tokens": lambda verdict: replace(verdict, tokens=(*verdict.tokens, 1)),
}


async def test_a_lying_big_side_counts_as_a_lost_link() -> None:
    big = ScriptedBig()
    async with paired(big) as node:
        for strategy, lies in ((Verified(4), LIES), (BigLittle(0.0, 5.0, 4), BIG_LITTLE_LIES)):
            for name, big.twist in lies.items():
                error = await failed(node, asked(strategy))
                assert (error.code, error.reason) == ("UNAVAILABLE", "BIG_MODEL_LIES"), name
                text, _, _ = await answered(node, asked(_replaced(strategy)))
                assert text == own_answer(PROMPT, 60, next_token), name
                assert not big.num_open


async def test_a_late_verification_counts_as_a_lost_link() -> None:
    big = ScriptedBig(held=asyncio.Event())
    async with paired(big, timeout_s=0.05) as node:
        error = await failed(node, asked(Verified()))
        assert (error.code, error.reason) == ("UNAVAILABLE", "BIG_MODEL_LATE")
        text, _, pair = await answered(node, asked(Verified(5, ON)))
        assert text == own_answer(PROMPT, 60, next_token)
        assert pair.answered_by == "fake"
        assert not big.num_open


# ---- the deadline, and the end


@pytest.mark.parametrize("strategy", [Verified(), BigLittle(), Guided()])
async def test_the_deadline_holds_while_the_big_side_is_silent(strategy: Strategy) -> None:
    big = ScriptedBig(held=asyncio.Event())
    async with paired(big, timeout_s=600) as node:
        error = await failed(node, asked(strategy, deadline=monotonic() + 0.3))
        assert error.code == "DEADLINE_EXCEEDED"
        cut = asked(strategy, deadline=monotonic() + 0.3, deadline_policy=DeadlinePolicy.BEST_EFFORT)
        events = await collect(node, cut)
        assert finished_of(events).reason is FinishReason.DEADLINE
        assert not big.num_open


@pytest.mark.parametrize("strategy", [Verified(), BigLittle(), Guided()])
async def test_a_caller_that_leaves_ends_everything(strategy: Strategy) -> None:
    big = ScriptedBig(held=asyncio.Event())
    async with paired(big, timeout_s=600) as node:
        reading = asyncio.create_task(collect(node, asked(strategy)))
        async with asyncio.timeout(20):
            while not (big.num_open or big.asked):  # noqa: ASYNC110
                await asyncio.sleep(0.002)
        reading.cancel()
        await asyncio.wait([reading])
        async with asyncio.timeout(20):
            while big.num_open or node.samples()[0].stats.num_running:  # noqa: ASYNC110
                await asyncio.sleep(0.002)


async def test_a_defect_of_the_big_side_s_code_ends_the_answer() -> None:
    def broken(verdict: Verdict) -> Verdict:
        raise ZeroDivisionError

    async with paired(ScriptedBig(twist=broken)) as node:
        error = await failed(node, asked(Verified(), deadline=monotonic() + 20))
    assert error.code == "INTERNAL"


# ---- guidance


async def test_the_little_model_goes_on_behind_the_guidance() -> None:
    big = ScriptedBig()
    async with paired(big) as node:
        text, finished, pair = await answered(node, asked(Guided(7), 30))
    assert text == "Guided" + own_answer(PROMPT + "Guided", 24, next_token)
    assert (pair.answered_by, finished.num_completion_tokens) == ("big+fake", 30)
    assert (big.asked[0].max_tokens, big.asked[0].strategy) == (7, None)


async def test_guidance_of_a_chat_is_the_beginning_of_the_assistant_s_turn() -> None:
    chat = (ChatMessage("user", "Hi"),)
    big = ScriptedBig()
    async with paired(big) as node:
        events = await collect(node, Request(chat, strategy=Guided(), max_tokens=12))
    template = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    assert text_of(events) == "Guided" + own_answer(template + "Guided", 6, next_token)


@pytest.mark.parametrize("length", [3, 6])
async def test_guidance_as_long_as_the_answer(length: int) -> None:
    async with paired(ScriptedBig()) as node:
        text, finished, _ = await answered(node, asked(Guided(), length))
    assert (text, finished.reason) == ("Guided"[:length], FinishReason.LENGTH)


async def test_a_whole_answer_needs_no_little_model() -> None:
    big = ScriptedBig()
    big.guidance = replace(big.guidance, whole=True)
    async with paired(big) as node:
        text, finished, pair = await answered(node, asked(Guided()))
    assert (text, finished.reason, pair.answered_by) == ("Guided", FinishReason.STOP, "big")


# ---- what is refused


async def test_a_node_without_a_big_model_says_so() -> None:
    async with NodeService(flat_settings(model="fake", backend="fake")) as node:
        await node.wait_ready()
        error = await failed(node, asked(Verified()))
    assert (error.code, error.reason) == ("FAILED_PRECONDITION", "NO_BIG_MODEL")


async def test_a_format_is_refused() -> None:
    async with paired(ScriptedBig()) as node:
        error = await failed(node, asked(Verified(), format=Choices(("a", "b"))))
    assert isinstance(error, InvalidArgument)
    assert error.field == "strategy"


async def test_identical_requests_do_not_join() -> None:
    async with paired(ScriptedBig()) as node:
        one, other = await asyncio.gather(
            answered(node, asked(Verified())), answered(node, asked(BigLittle(0.0, 100.0)))
        )
    assert one[0] == own_answer(PROMPT, 60)
    assert other[0] != one[0]


async def test_an_answer_has_one_first_token_in_the_metrics() -> None:
    async with paired(ScriptedBig()) as node:
        await answered(node, asked(Verified(3), 60))
        (sample,) = node.samples()
    assert sum(sample.time_to_first_token_histogram.counts) == 1
