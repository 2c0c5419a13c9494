"""Policies from A1's REST interface, which answers in two forms and fails in many."""

import json
from collections.abc import AsyncIterator

import pytest

from tests.ric.stand_ins import A1, CLOSE, HANG, impatient
from xapp.ric.policy_polling import PolicyPolling
from xapp.ric.policy_source import MAX_POLICIES, SourceError
from xapp.ric.policy_type import PolicyError

PAYLOAD = {"statement": {"max_output_tokens": 5}}


@pytest.fixture
async def a1() -> AsyncIterator[A1]:
    async with A1().serving() as peer:
        yield peer


async def read(a1: A1) -> dict[str, object]:
    async with impatient() as platform:
        return dict(await PolicyPolling(platform, a1.url, A1.TYPE, 10).read())


@pytest.mark.parametrize("encoded", [False, True])
async def test_instances_in_both_forms(a1: A1, encoded: bool) -> None:
    a1.instances = {"p1": PAYLOAD, "a b/c?": PAYLOAD}
    a1.encoded = encoded
    payload = json.dumps(PAYLOAD) if encoded else PAYLOAD
    assert await read(a1) == {"p1": payload, "a b/c?": payload}


async def test_none(a1: A1) -> None:
    assert await read(a1) == {}


@pytest.mark.parametrize("fault", [500, 503, 302, 401, 204, HANG, CLOSE], ids=str)
async def test_a_failure_is_not_an_empty_list(a1: A1, fault: int | str) -> None:
    a1.instances = {"p": PAYLOAD}
    a1.fault = fault
    with pytest.raises(SourceError):
        await read(a1)


async def test_a_type_that_a1_forgot_is_a_failure(a1: A1) -> None:
    a1.knows_type = False
    with pytest.raises(SourceError, match="404"):
        await read(a1)


async def test_an_instance_that_is_listed_and_not_there_is_not_deleted_yet(a1: A1) -> None:
    a1.instances = {"p": PAYLOAD, "q": PAYLOAD}
    a1.gone = {"q"}
    found = await read(a1)
    assert found["p"] == PAYLOAD
    assert isinstance(found["q"], PolicyError)


async def test_an_instance_that_is_no_json_spoils_no_other(a1: A1) -> None:
    a1.instances = {"p": PAYLOAD}
    a1.broken = {"q": b"<html>"}
    found = await read(a1)
    assert found["p"] == PAYLOAD
    assert isinstance(found["q"], PolicyError)


async def test_lists_are_bounded(a1: A1) -> None:
    a1.instances = {str(number): PAYLOAD for number in range(MAX_POLICIES + 1)}
    with pytest.raises(SourceError, match=str(MAX_POLICIES)):
        await read(a1)
    assert len(a1.asked) == 1


async def test_a_list_of_something_else(a1: A1) -> None:
    a1.instances = {"x" * 1000: PAYLOAD}
    with pytest.raises(SourceError, match="no list"):
        await read(a1)
