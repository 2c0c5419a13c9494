"""An OpenAI-compatible endpoint as the upstream, over real HTTPS, with its faults."""

import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.routing.endpoint import ANSWER, DONE, KEY, USAGE, Endpoint, piece, serving
from tests.routing.fakes import Pair, text_of
from tests.routing.test_router import routed_of
from xapp.config import UpstreamSettings
from xapp.domain.answers import Event, Finished, Started
from xapp.domain.format_kinds import Choices, JsonSchema
from xapp.domain.messages import SamplingParams
from xapp.domain.requests import ChatMessage, Request
from xapp.domain.routing import Routing, RoutingMode, RoutingReason
from xapp.errors import Unavailable
from xapp.routing.destination import Upstream, UpstreamError
from xapp.routing.make_upstream import make_upstream

ASKED = Request(
    (ChatMessage("user", "why?"),),
    max_tokens=10,
    sampling=SamplingParams(temperature=0.5),
    seed=7,
    stop=("\n",),
    routing=Routing(RoutingMode.UPSTREAM),
)


@pytest.fixture
async def endpoint(tmp_path: Path) -> AsyncIterator[Endpoint]:
    async with serving(tmp_path) as endpoint:
        yield endpoint


def upstream_of(endpoint: Endpoint, folder: Path, **changes: Any) -> Upstream:
    key = folder / "key"
    key.write_text(KEY + "\n")
    values = {"target": endpoint.url, "ca_file": endpoint.ca, **changes}
    return make_upstream(UpstreamSettings(kind="openai", model="gpt-big", key_file=str(key), **values))


async def read(upstream: Upstream, request: Request = ASKED) -> list[Event]:
    try:
        return [event async for event in upstream.stream(request)]
    finally:
        await upstream.aclose()


async def test_an_answer_is_streamed(endpoint: Endpoint, tmp_path: Path) -> None:
    events = await read(upstream_of(endpoint, tmp_path))
    assert text_of(events) == "from above"
    first, last = events[0], events[-1]
    assert isinstance(first, Started)
    assert first.model == "gpt-big"
    assert isinstance(last, Finished)
    assert (last.num_prompt_tokens, last.num_completion_tokens) == (9, 3)
    assert last.reason.value == "stop"


async def test_the_request_is_that_of_the_caller(endpoint: Endpoint, tmp_path: Path) -> None:
    await read(upstream_of(endpoint, tmp_path))
    assert endpoint.paths == ["/v1/chat/completions"]
    body, headers = endpoint.bodies[0], endpoint.headers[0]
    assert body["messages"] == [{"role": "user", "content": "why?"}]
    assert (body["max_tokens"], body["temperature"], body["seed"], body["stop"]) == (10, 0.5, 7, ["\n"])
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert headers["x-xapp-hops"] == "1"


async def test_a_schema_is_sent_on(endpoint: Endpoint, tmp_path: Path) -> None:
    await read(upstream_of(endpoint, tmp_path), replace(ASKED, format=JsonSchema('{"type": "object"}')))
    told = endpoint.bodies[0]["response_format"]
    assert told["type"] == "json_schema"
    assert told["json_schema"]["schema"] == {"type": "object"}


async def test_plain_text_is_completed(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.pieces = (
        b'data: {"choices": [{"text": "yes", "finish_reason": null}]}\r\n\r\n',
        b": a comment\n\n",
        b'data: {"choices": [{"text": "", "finish_reason": "length"}]}\n\n',
        DONE,
    )
    events = await read(upstream_of(endpoint, tmp_path), replace(ASKED, prompt="why?"))
    assert text_of(events) == "yes"
    assert endpoint.paths == ["/v1/completions"]


async def test_pieces_may_be_cut_anywhere(endpoint: Endpoint, tmp_path: Path) -> None:
    whole = b"".join(ANSWER)
    endpoint.pieces = tuple(whole[index : index + 7] for index in range(0, len(whole), 7))
    assert text_of(await read(upstream_of(endpoint, tmp_path))) == "from above"


@pytest.mark.parametrize(
    ("changes", "lacking"),
    [
        ({"format": Choices(("yes", "no"))}, "choices"),
        ({"format": JsonSchema("{}"), "prompt": "why?"}, "chat"),
        ({"sampling": SamplingParams(top_k=3)}, "top_k"),
        ({"ignore_eos": True}, "ignore_eos"),
        ({"max_gap_s": 0.1}, "max_token_gap"),
        ({"stop": ("a", "b", "c", "d", "e")}, "stop"),
        ({"sampling": SamplingParams(temperature=3.0)}, "temperature"),
        ({"format": JsonSchema("{}")}, ""),
    ],
)
async def test_what_the_api_has_no_word_for_is_named(
    endpoint: Endpoint, tmp_path: Path, changes: dict[str, Any], lacking: str
) -> None:
    found = upstream_of(endpoint, tmp_path).lacks(replace(ASKED, **changes))
    assert lacking in found
    assert bool(found) == bool(lacking)


FAULTS: dict[str, dict[str, Any]] = {
    "refused": {"status": 401},
    "limited": {"status": 429},
    "redirected": {"status": 302},
    "not a stream": {"content_type": "application/json"},
    "no JSON": {"pieces": (b"data: {nonsense\n\n", DONE)},
    "another shape": {"pieces": (b'data: {"choices": "all"}\n\n', DONE)},
    "nested": {"pieces": (b"data: " + b"[" * 20_000 + b"\n\n", DONE)},
    "endless line": {"pieces": (b"data: " + b"x" * 70_000,)},
    "no end": {"pieces": (piece("half"),)},
    "done without a reason": {"pieces": (piece("half"), DONE)},
    "cut": {"pieces": (piece("half"),), "cuts": True},
    "filtered": {"pieces": (piece("half"), piece(reason="content_filter"), DONE)},
    "empty": {"pieces": ()},
}


@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_is_an_error_that_shows_no_key(
    endpoint: Endpoint, tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for key, value in FAULTS[name].items():
        setattr(endpoint, key, value)
    with pytest.raises(UpstreamError) as caught:
        await read(upstream_of(endpoint, tmp_path))
    assert endpoint.bodies
    assert KEY not in f"{caught.value!r} {caught.value.__cause__!r} {caplog.text}"


async def test_a_certificate_of_an_unknown_authority_is_refused(endpoint: Endpoint, tmp_path: Path) -> None:
    with pytest.raises(UpstreamError, match="ClientConnectorCertificateError"):
        await read(upstream_of(endpoint, tmp_path, ca_file=""))
    assert endpoint.bodies == []


async def test_a_certificate_for_another_name_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path, "DNS:elsewhere") as endpoint:
        with pytest.raises(UpstreamError, match="CertificateError"):
            await read(upstream_of(endpoint, tmp_path))
        assert endpoint.bodies == []


@pytest.mark.parametrize(
    "fault",
    [{"status": 500}, {"pieces": (), "hangs": True}, {"pieces": (), "cuts": True}, {"pieces": (USAGE, DONE)}],
)
async def test_this_node_answers_where_the_endpoint_does_not_begin(
    endpoint: Endpoint, tmp_path: Path, fault: dict[str, Any]
) -> None:
    for key, value in fault.items():
        setattr(endpoint, key, value)
    upstream: Any = upstream_of(endpoint, tmp_path)
    pair = Pair(upstream=upstream, wait_s=0.3)
    events = await pair.answer(ASKED)
    await upstream.aclose()
    assert text_of(events) == "Hello"
    assert routed_of(events).reason is RoutingReason.UPSTREAM_FAILED


@pytest.mark.parametrize("fault", [{"hangs": True}, {"cuts": True}, {}])
async def test_an_answer_that_began_ends_with_a_status(
    endpoint: Endpoint, tmp_path: Path, fault: dict[str, Any]
) -> None:
    endpoint.pieces = (piece("half"),)
    for key, value in fault.items():
        setattr(endpoint, key, value)
    upstream: Any = upstream_of(endpoint, tmp_path)
    pair = Pair(upstream=upstream, idle_s=0.3)
    with pytest.raises(Unavailable) as caught:
        await pair.answer(ASKED)
    await upstream.aclose()
    assert caught.value.reason == "UPSTREAM_LOST"
    assert pair.node.requests == []
