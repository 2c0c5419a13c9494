"""The service of a node with `[big]`: two workers of one node, another node, or none."""

import pytest

from tests.flat_settings import flat_settings
from tests.routing.big_little.bigs import own_answer
from tests.service.nodes import collect, finished_of, text_of
from xapp.backend.fake_rule import next_token
from xapp.config.big import BigSettings
from xapp.domain.big_little import BigLittle, Guided, Verified
from xapp.domain.requests import Request, Strategy
from xapp.errors import ConfigError, Unavailable, XappError
from xapp.routing.big_little.local_big import LocalBig
from xapp.routing.big_little.remote_big import RemoteBig
from xapp.routing.node import big_side, routed_service

PROMPT = "Which cell is overloaded?"


@pytest.mark.parametrize("strategy", [Verified(), BigLittle(), Guided(7)])
async def test_two_workers_of_one_node(strategy: Strategy) -> None:
    settings = flat_settings(model="little", backend="fake", big_model="big", pin_tasks=False)
    async with routed_service(settings) as node:
        await node.wait_ready()
        async for _ in node.load_model("big"):
            pass
        events = await collect(node, Request(PROMPT, strategy=strategy, max_tokens=40))
        finished = finished_of(events)
    assert text_of(events) == own_answer(PROMPT, 40, next_token)
    assert finished.pair is not None
    assert "big" in finished.pair.answered_by
    assert finished.pair.num_bytes_sent == finished.pair.num_bytes_received == 0


async def test_a_big_model_that_is_not_loaded() -> None:
    settings = flat_settings(model="little", backend="fake", big_model="big", pin_tasks=False)
    async with routed_service(settings) as node:
        await node.wait_ready()
        with pytest.raises(XappError) as caught:
            await collect(node, Request(PROMPT, strategy=Verified()))
    assert caught.value.code in {"NOT_FOUND", Unavailable.code}


def test_where_the_big_model_is() -> None:
    service = routed_service(flat_settings(model="little", backend="fake"))
    assert big_side(BigSettings(), service) is None
    assert isinstance(big_side(BigSettings(model="big"), service), LocalBig)
    assert isinstance(big_side(BigSettings(target="192.0.2.7:1"), service), RemoteBig)
    with pytest.raises(ConfigError) as caught:
        big_side(BigSettings(target="192.0.2.7:1", cert="cert.pem"), service)
    assert caught.value.key == "XAPP_BIG_CERT"
    with pytest.raises(ConfigError) as caught:
        big_side(BigSettings(target="192.0.2.7:1", ca="/none/ca.pem"), service)
    assert caught.value.key == "XAPP_BIG_CA"
