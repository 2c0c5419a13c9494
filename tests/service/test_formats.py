"""Answers held to a format, on a worker with the fake backend: how they end and what Finished says."""

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.flat_settings import flat_settings
from tests.service.nodes import collect, finished_of, text_of
from xapp.domain.format_kinds import Choices, Format, Grammar, JsonSchema
from xapp.domain.messages import FinishReason
from xapp.domain.requests import Request
from xapp.errors import InvalidArgument
from xapp.service.service import NodeService

OBJECT = JsonSchema(
    json.dumps({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]})
)
EXPLOSIVE = Grammar('root ::= ("0"{0,1000} | "00"{0,1000} | "000"{0,1000}){1,16} "x"')


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service() -> AsyncIterator[NodeService]:
    async with NodeService(flat_settings(model="fake", backend="fake", slots=4)) as node:
        await node.wait_ready()
        yield node


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(
    "wanted", [OBJECT, Grammar('root ::= "answer: " [a-c]{3}'), Choices(("up", "down", "nein €"))]
)
async def test_a_whole_answer_ends_with_stop(service: NodeService, wanted: Format) -> None:
    events = await collect(service, Request("go", format=wanted, max_tokens=50))
    finished = finished_of(events)
    assert finished.reason is FinishReason.STOP
    assert finished.format_complete is True
    assert text_of(events)


async def test_without_a_format_nothing_is_said_of_it(service: NodeService) -> None:
    assert finished_of(await collect(service, Request("go", max_tokens=3))).format_complete is None


@pytest.mark.parametrize("wanted", [OBJECT, Grammar('root ::= "answer: " [a-c]{3}')])
async def test_no_room_to_finish_is_not_complete(service: NodeService, wanted: Format) -> None:
    finished = finished_of(await collect(service, Request("go", format=wanted, max_tokens=4)))
    assert finished.reason is FinishReason.LENGTH
    assert finished.format_complete is False


async def test_cut_where_it_conforms_by_chance_is_not_complete(service: NodeService) -> None:
    wanted = Grammar("root ::= [a-z]{1,9}")
    finished = finished_of(await collect(service, Request("go", format=wanted, max_tokens=1)))
    assert finished.reason is FinishReason.LENGTH
    assert finished.format_complete is False


async def test_a_stop_text_that_cuts_the_answer_is_not_complete(service: NodeService) -> None:
    wanted = Grammar('root ::= "abc" "def"')
    events = await collect(service, Request("go", format=wanted, stop=("cd",)))
    assert text_of(events) == "ab"
    finished = finished_of(events)
    assert finished.reason is FinishReason.STOP
    assert finished.format_complete is False


async def test_a_stop_text_after_a_whole_answer_is_complete(service: NodeService) -> None:
    wanted = Grammar('root ::= "abc" ("." "x")?')
    events = await collect(service, Request("go", format=wanted, stop=(".",)))
    assert text_of(events) == "abc"
    assert finished_of(events).format_complete is True


async def test_ignore_eos_does_not_go_with_a_format(service: NodeService) -> None:
    with pytest.raises(InvalidArgument) as caught:
        await collect(service, Request("go", format=OBJECT, ignore_eos=True))
    assert caught.value.field == "ignore_eos"


async def test_a_bad_format_is_refused_by_its_place(service: NodeService) -> None:
    with pytest.raises(InvalidArgument) as caught:
        await collect(service, Request("go", format=JsonSchema('{"properties": {"a": {"not": {}}}}')))
    assert caught.value.message == "format.json_schema: /properties/a/not: unsupported keyword"


async def test_a_grammar_that_explodes_ends_its_own_request_and_the_worker_lives(
    service: NodeService,
) -> None:
    (before,) = service.samples()
    with pytest.raises(InvalidArgument) as caught:
        await collect(service, Request("go", format=EXPLOSIVE, max_tokens=200))
    assert caught.value.field == "format"
    assert finished_of(await collect(service, Request("go", format=OBJECT))).format_complete is True
    (after,) = service.samples()
    assert after.worker_pid == before.worker_pid
