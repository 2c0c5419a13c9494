"""`retrieval` in OpenAI's dialect: what the service is asked, and where the sources stand in an answer."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import pytest

from tests.gateway.gateways import Gateway
from tests.server.fake_service import FINISHED, started
from xapp.domain.answers import Chunk, Event
from xapp.domain.grounding import Grounding, NothingFound, Source
from xapp.domain.metadata import Condition
from xapp.domain.requests import Request

SOURCE = Source(1, "docs", "fan.md", "Fan", 6, 44, 0.75, "sha256:ab")
SHOWN = {
    "number": 1,
    "collection": "docs",
    "document": "fan.md",
    "title": "Fan",
    "start": 6,
    "end": 44,
    "score": 0.75,
    "digest": "sha256:ab",
}


async def with_sources(request: Request) -> AsyncGenerator[Event, None]:
    yield replace(started(request), sources=(SOURCE,))
    yield Chunk("A technician [1].", 1)
    yield replace(FINISHED, cited=(1,))


async def test_what_the_service_is_asked(gateway: Gateway) -> None:
    await gateway.chat(retrieval={"collection": "docs"})
    assert gateway.service.requests[-1].retrieval == Grounding("docs")
    wanted = {
        "collection": "docs",
        "top_k": 3,
        "min_score": 0.5,
        "filter": {"kind": "spec", "release": {"at_least": 17}},
        "max_context_tokens": 300,
        "on_nothing": "abstain",
        "query": "fan",
    }
    await gateway.chat(retrieval=wanted)
    conditions = (Condition("kind", one_of=("spec",)), Condition("release", at_least=17.0))
    expected = Grounding("docs", 3, 0.5, conditions, 300, NothingFound.ABSTAIN, "fan")
    assert gateway.service.requests[-1].retrieval == expected
    await gateway.chat()
    assert gateway.service.requests[-1].retrieval is None


async def test_a_whole_answer_names_its_sources(gateway: Gateway) -> None:
    gateway.service.script = with_sources
    answer = await gateway.chat(retrieval={"collection": "docs"})
    assert answer.body["sources"] == [SHOWN]
    assert answer.body["choices"][0]["cited_sources"] == [1]
    assert "abstained" not in answer.body["choices"][0]


async def test_the_first_chunk_of_a_stream_names_the_sources(gateway: Gateway) -> None:
    gateway.service.script = with_sources
    answer = await gateway.chat(stream=True, retrieval={"collection": "docs"})
    first, *others = answer.events
    assert first["sources"] == [SHOWN]
    assert all("sources" not in each for each in others)
    assert answer.events[-1]["choices"][0]["cited_sources"] == [1]


@pytest.mark.parametrize(
    ("retrieval", "field"),
    [
        ({}, "retrieval.collection"),
        ({"collection": ""}, "retrieval.collection"),
        ({"collection": "docs", "top_k": 0}, "retrieval.top_k"),
        ({"collection": "docs", "on_nothing": "cry"}, "retrieval.on_nothing"),
        ({"collection": "docs", "filter": {"a": {"like": 1}}}, "retrieval.filter.a"),
        ({"collection": "docs", "filter": {"a": 10**309}}, "retrieval.filter.a"),
        ({"collection": "docs", "unknown": 1}, "retrieval.unknown"),
    ],
)
async def test_a_bad_value_names_its_field(gateway: Gateway, retrieval: Any, field: str) -> None:
    answer = await gateway.chat(retrieval=retrieval)
    status, _, named = answer.error
    assert (status, named) == (400, field)
