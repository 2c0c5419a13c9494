"""A little and a big model on two nodes, over gRPC, with a line between them that can be cut."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import msgspec
import pytest

from tests.e2e.relay import Relay, relaying
from tests.flat_settings import flat_settings
from tests.routing.big_little.bigs import own_answer
from tests.scale import sized
from tests.server.fake_service import FakeHost
from tests.service.nodes import collect, finished_of, text_of
from xapp.backend.fake_rule import next_token
from xapp.config.big import BigSettings
from xapp.domain.answers import Chunk, Event, Finished
from xapp.domain.big_little import BigLittle, Guided, LinkLoss, Verified
from xapp.domain.messages import FinishReason
from xapp.domain.requests import ChatMessage, Request, Strategy
from xapp.errors import XappError
from xapp.routing.big_little.pair import Pair
from xapp.routing.big_little.remote_big import RemoteBig
from xapp.security.tokens import hash_of
from xapp.server.server import serve_grpc
from xapp.service.service import NodeService
from xapp.telemetry.metrics import Metrics

PROMPT = "Which cell is overloaded?"
ON = LinkLoss.LITTLE_ONLY
LONG = 400


def asked(strategy: Strategy, max_tokens: int = 60, **fields: Any) -> Request:
    return Request(PROMPT, strategy=strategy, max_tokens=max_tokens, **fields)


@dataclass
class Nodes:
    """`big` serves on `port`. `little` asks it where `ask` says so."""

    stack: AsyncExitStack
    big: NodeService
    little: NodeService
    big_fields: dict[str, Any]
    port: int = 0

    async def serve(self) -> None:
        """Starts the big node's port."""
        settings = flat_settings(host="127.0.0.1", grpc_port=0, **self.big_fields)
        server = await self.stack.enter_async_context(serve_grpc(self.big, settings, Metrics(), FakeHost()))
        self.port = server.port

    @asynccontextmanager
    async def asking(self, target: str = "", **fields: Any) -> AsyncIterator[NodeService]:
        """The little node while its big model is at that target, that of `big` by default."""
        pair = ask_big(self.little, target or f"127.0.0.1:{self.port}", **fields)
        self.little.use_pair(pair)
        try:
            yield self.little
        finally:
            await pair.aclose()


@asynccontextmanager
async def two_nodes(**fields: Any) -> AsyncIterator[Nodes]:
    """The workers start before gRPC does: a fork beside gRPC's threads may fail."""
    common: dict[str, Any] = {"backend": "fake", "slots": 4, "pin_tasks": False}
    fields = {"model": "big", **common, **fields}
    own = flat_settings(model="little", deadline_admission=False, **common)
    async with NodeService(flat_settings(**fields)) as big, NodeService(own) as little:
        await big.wait_ready()
        await little.wait_ready()
        async with AsyncExitStack() as stack:
            nodes = Nodes(stack, big, little, fields)
            await nodes.serve()
            yield nodes


def ask_big(node: NodeService, target: str, **fields: Any) -> Pair:
    settings = BigSettings(target=target, **fields)
    return Pair(settings, RemoteBig(settings), node.new_id)


async def test_every_strategy_over_the_wire() -> None:
    async with two_nodes() as nodes, nodes.asking() as little:
        for strategy in (Verified(), BigLittle(0.0, 100.0), BigLittle(1.0, 0.0), Guided(7)):
            events = await collect(little, asked(strategy))
            finished = finished_of(events)
            assert text_of(events) == own_answer(PROMPT, 60, next_token)
            assert finished.pair is not None
            assert finished.pair.num_bytes_sent > 0
            assert finished.pair.num_bytes_received > 0
            assert finished.pair.answered_by in {"little+big", "big+little", "big"}


async def test_guidance_of_a_chat_over_the_wire() -> None:
    async with two_nodes() as nodes, nodes.asking() as little:
        request = Request((ChatMessage("user", "Hi"),), strategy=Guided(8), max_tokens=20)
        template = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
        assert text_of(await collect(little, request)) == own_answer(template, 20, next_token)


async def test_a_token_of_a_file_is_shown_and_a_missing_file_is_named(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text(f'edge = ["{hash_of("s3cret-token-of-edge")}"]')
    shown = tmp_path / "shown"
    shown.write_text("s3cret-token-of-edge\n")
    async with two_nodes(tokens_file=str(tokens)) as nodes:
        async with nodes.asking(token_file=str(shown)) as little:
            assert finished_of(await collect(little, asked(Verified()))).pair is not None
        async with nodes.asking() as little:
            assert await code_of(little, asked(Verified(5, ON))) == "UNAUTHENTICATED"
        async with nodes.asking(token_file=str(tmp_path / "none")) as little:
            assert await code_of(little, asked(Verified(5, ON))) == "FAILED_PRECONDITION"


async def code_of(node: NodeService, request: Request) -> str:
    with pytest.raises(XappError) as caught:
        await collect(node, request)
    return caught.value.code


async def test_a_big_side_without_room_leaves_the_little_model_alone() -> None:
    quotas = '{"default": {"requests_per_s": 0.001, "burst_s": 3000}}'
    async with two_nodes(quotas=quotas) as nodes, nodes.asking() as little:
        finished = finished_of(await collect(little, asked(Verified(5, ON), LONG, ignore_eos=True)))
        assert finished.pair is not None
        assert 0 < finished.pair.num_big_passes <= 3
        assert finished.pair.num_unverified > 0
        assert await code_of(little, asked(Verified(), LONG, ignore_eos=True)) == "UNAVAILABLE"


async def test_nobody_listens() -> None:
    async with two_nodes() as nodes, nodes.asking("127.0.0.1:1", timeout_s=0.5) as little:
        assert await code_of(little, asked(Verified())) == "UNAVAILABLE"
        events = await collect(little, asked(Verified(5, ON)))
        assert text_of(events) == own_answer(PROMPT, 60, next_token)


async def test_verification_goes_on_after_a_restart_of_the_big_node(monkeypatch: pytest.MonkeyPatch) -> None:
    # Otherwise a fast session ends within the grace of the server's end.
    monkeypatch.setattr("xapp.server.server.STOP_GRACE_S", 0.0)
    async with two_nodes() as nodes, relaying(nodes.port) as (relay, target), nodes.asking(target) as little:
        request = asked(Verified(4, ON), 1500, ignore_eos=True)
        async with aclosing(little.generate(request)) as events:
            read = [await anext(events), await anext(events)]
            await nodes.stack.aclose()
            await nodes.serve()
            relay.port = nodes.port
            read += [event async for event in events]
    finished = finished_of(read)
    assert finished.pair is not None
    assert text_of(read) == unending(1500)
    assert finished.pair.num_unverified > 0


def unending(length: int) -> str:
    """The answer that does not stop at the model's end."""
    tokens = list(PROMPT.encode())
    start = len(tokens)
    for _ in range(length):
        tokens.append(next_token(tokens))
    return bytes(token for token in tokens[start:] if token < 256).decode(errors="replace")


async def test_verification_goes_on_over_a_new_line_after_the_old_one_went_dead() -> None:
    async with (
        two_nodes() as nodes,
        relaying(nodes.port) as (relay, target),
        nodes.asking(target, timeout_s=0.1) as little,
    ):
        assert finished_of(await collect(little, asked(Verified()))).pair is not None
        relay.go_dead()
        assert await code_of(little, asked(Verified())) == "UNAVAILABLE"
        relay.replace()
        # The dead connection is found by its pings. Until then each try ends as late.
        async with asyncio.timeout(20):
            while (await _unverified(little)) > 0:
                pass


async def _unverified(little: NodeService) -> int:
    finished = finished_of(await collect(little, asked(Verified(5, ON), 20)))
    assert finished.pair is not None
    return finished.pair.num_unverified


# ---- the line is cut in mid-answer


@dataclass(frozen=True)
class Cut:
    """`timeout_s` is that of a verification, `within_s` the deadline. `code` "" is an answer."""

    on_link_loss: LinkLoss
    timeout_s: float
    within_s: float
    code: str
    strategy: Verified | BigLittle = Verified()


PLACES = range(1, 26, sized(4, 1))
"""The numbers of chunks after which the line is cut."""
CUTS = {
    "fails": Cut(LinkLoss.FAIL, 0.05, 30, "UNAVAILABLE"),
    "goes on": Cut(LinkLoss.LITTLE_ONLY, 0.05, 30, ""),
    "deadline": Cut(LinkLoss.LITTLE_ONLY, 600, 0.25, "DEADLINE_EXCEEDED"),
    "deadline, too": Cut(LinkLoss.FAIL, 600, 0.25, "DEADLINE_EXCEEDED"),
}


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
async def test_an_answer_whose_line_is_cut_ends_by_its_deadline_as_asked(cut: Cut) -> None:
    async with two_nodes() as nodes:
        outcomes = [await cut_once(nodes, cut, after) for after in PLACES]
    assert [code for code, _ in outcomes] == [cut.code] * len(PLACES)
    for _, finished in outcomes:
        assert (finished is None) == bool(cut.code)
        assert finished is None or (finished.pair is not None and finished.pair.num_unverified > 0)
        assert finished is None or finished.reason is FinishReason.LENGTH


async def cut_once(nodes: Nodes, cut: Cut, after: int) -> tuple[str, Finished | None]:
    """Cuts the line after so many chunks. Returns the code of the error, and the end of the answer."""
    strategy = msgspec.structs.replace(cut.strategy, on_link_loss=cut.on_link_loss)
    events: list[Event] = []
    async with (
        relaying(nodes.port) as (relay, target),
        nodes.asking(target, timeout_s=cut.timeout_s) as little,
    ):
        request = asked(strategy, LONG, ignore_eos=True, deadline=monotonic() + cut.within_s)
        try:
            await read_and_cut(little, request, relay, after, events)
        except XappError as error:
            return error.code, None
    return "", finished_of(events)


async def read_and_cut(
    little: NodeService, request: Request, relay: Relay, after: int, events: list[Event]
) -> None:
    async with aclosing(little.generate(request)) as stream:
        async for event in stream:
            events.append(event)
            if sum(isinstance(each, Chunk) for each in events) >= after:
                relay.go_dead()


async def test_sessions_that_are_abandoned_by_the_hundred_leave_nothing() -> None:
    async with two_nodes() as nodes, nodes.asking() as little:

        async def abandon() -> None:
            async with aclosing(little.generate(asked(Verified(), LONG, ignore_eos=True))) as events:
                await anext(events)
                await anext(events)

        for _ in range(10):
            await asyncio.gather(*(abandon() for _ in range(10)))
        async with asyncio.timeout(20):
            while nodes.big._verifications.num_open:  # noqa: ASYNC110
                await asyncio.sleep(0.002)
        assert nodes.big._verifications.num_tokens == 0
        assert finished_of(await collect(little, asked(Verified()))).pair is not None
