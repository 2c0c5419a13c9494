"""The reasons that keep a request here, and the deadline's part."""

from dataclasses import replace
from time import monotonic

import pytest

from tests.routing.fakes import Pair
from tests.server.fake_service import ESTIMATE
from xapp.domain.answers import Latencies
from xapp.domain.requests import Request
from xapp.domain.routing import Routing, RoutingMode, RoutingReason
from xapp.errors import FailedPrecondition
from xapp.routing.chooser import without_upstream

UPSTREAM = Request("why?", routing=Routing(RoutingMode.UPSTREAM))


async def test_a_request_that_was_sent_on_stays() -> None:
    """Two nodes that are each other's upstream cannot send it in circles."""
    choice = await Pair().chooser.choose(replace(UPSTREAM, hops=1))
    assert choice.routed.reason is RoutingReason.FORWARDED
    assert not choice.routed.by_upstream


async def test_a_deterministic_request_stays() -> None:
    choice = await Pair().chooser.choose(replace(UPSTREAM, deterministic=True))
    assert choice.routed.reason is RoutingReason.DETERMINISTIC


async def test_what_the_upstream_lacks_stays_and_is_named() -> None:
    pair = Pair()
    pair.upstream.lacking = "a grammar"
    routed = (await pair.chooser.choose(UPSTREAM)).routed
    assert (routed.reason, routed.detail) == (RoutingReason.UNSUPPORTED, "a grammar")


async def test_no_more_are_in_flight_than_the_settings_allow() -> None:
    pair = Pair()
    with pair.link.hold(), pair.link.hold():
        assert (await pair.chooser.choose(UPSTREAM)).routed.reason is RoutingReason.UPSTREAM_FULL
    assert (await pair.chooser.choose(UPSTREAM)).routed.by_upstream


async def test_without_a_deadline_nothing_is_estimated() -> None:
    pair = Pair()
    assert (await pair.chooser.choose(UPSTREAM)).wait.seconds == pytest.approx(5.0, abs=0.5)
    assert pair.node.requests == []


async def test_an_upstream_that_would_be_late_is_not_asked() -> None:
    pair = Pair()
    pair.link.began(3.0)
    choice = await pair.chooser.choose(replace(UPSTREAM, deadline=monotonic() + 2.5))
    assert choice.routed.reason is RoutingReason.DEADLINE


async def test_the_speed_of_the_upstream_counts() -> None:
    pair = Pair()
    pair.link.began(0.1)
    pair.link.ended(11, 20.0)
    estimate = replace(ESTIMATE, num_completion_tokens=20)
    pair.node.estimated = estimate
    choice = await pair.chooser.choose(replace(UPSTREAM, deadline=monotonic() + 30))
    assert choice.routed.reason is RoutingReason.DEADLINE
    assert (await pair.chooser.choose(replace(UPSTREAM, deadline=monotonic() + 60))).routed.by_upstream


async def test_this_node_keeps_the_time_to_answer_itself() -> None:
    pair = Pair(wait_s=100)
    pair.node.estimated = replace(ESTIMATE, completion=Latencies(5.0, 8.0))
    choice = await pair.chooser.choose(replace(UPSTREAM, deadline=monotonic() + 10))
    assert choice.wait.seconds == pytest.approx(2.0, abs=0.5)


async def test_a_node_that_would_be_late_itself_gives_the_upstream_all_the_time() -> None:
    pair = Pair(wait_s=100)
    pair.node.estimated = replace(ESTIMATE, completion=Latencies(50.0, 80.0))
    choice = await pair.chooser.choose(replace(UPSTREAM, deadline=monotonic() + 10))
    assert choice.wait.seconds == pytest.approx(10.0, abs=0.5)


async def test_a_slow_signal_does_not_make_the_upstream_late() -> None:
    """The time for the first token begins once the choice is made; the deadline does not wait."""
    pair = Pair()
    now = 0.0

    async def slow(request: Request) -> float | None:
        nonlocal now
        now += 20.0
        return 0.9

    pair.signal.difficulty = slow  # type: ignore[method-assign]
    chooser = pair.chooser
    chooser._clock = lambda: now
    auto = Request("why?", routing=Routing(RoutingMode.AUTO, 0.5))
    choice = await chooser.choose(auto)
    assert (choice.routed.by_upstream, choice.wait.seconds) == (True, 5.0)
    late = await chooser.choose(replace(auto, deadline=now + 15))
    assert late.routed.reason is RoutingReason.DEADLINE


def test_a_node_without_upstream_says_so() -> None:
    assert without_upstream(None) is None
    auto = without_upstream(Routing(RoutingMode.AUTO))
    assert auto is not None
    assert auto.reason is RoutingReason.NO_UPSTREAM
    with pytest.raises(FailedPrecondition) as caught:
        without_upstream(Routing(RoutingMode.UPSTREAM))
    assert caught.value.reason == "NO_UPSTREAM"
