"""Policies act on requests: who is refused, what is cut, and that a change counts for the next request."""

import pytest

from tests.service.nodes import Node, collect, finished_of
from xapp.domain.messages import FinishReason, Priority
from xapp.domain.requests import Request, ScoreRequest
from xapp.domain.serving_policy import Scope, ServingPolicy, Statement
from xapp.errors import Exhausted, PermissionDenied

ENDLESS = Request("abcdef", ignore_eos=True, client="planner")


async def test_answers_are_cut_to_what_the_policy_says_from_the_next_request_on(node: Node) -> None:
    async with node.serving() as service:
        for most in (5, 9):
            service.set_policies({"p": ServingPolicy(Statement(max_output_tokens=most), Scope("planner"))})
            finished = finished_of(await collect(service, ENDLESS))
            assert (finished.reason, finished.num_completion_tokens) == (FinishReason.LENGTH, most)
        service.set_policies({})
        assert (
            finished_of(await collect(service, Request("abc", client="planner"))).num_completion_tokens == 3
        )


async def test_who_is_not_let_in_gets_no_verb(node: Node) -> None:
    said = Statement(allowed_models=("other",), max_priority="BATCH")
    request = Request("abc", client="planner", priority=Priority.BATCH)
    async with node.serving() as service:
        service.set_policies({"p": ServingPolicy(said, Scope("planner"))})
        with pytest.raises(PermissionDenied, match="'tiny'"):
            await collect(service, request)
        with pytest.raises(PermissionDenied, match="'tiny'"):
            await service.estimate(request)
        with pytest.raises(PermissionDenied, match="'tiny'"):
            await service.score(ScoreRequest(request, ("a", "b")))
        with pytest.raises(PermissionDenied, match="'tiny'"):
            await service.tokenize("", "abc", "planner")
        finished_of(await collect(service, Request("abc", client="somebody else")))
        assert (await service.tokenize("", "abc", "somebody else")).ids


async def test_a_model_that_is_not_allowed_works_on_no_text(node: Node) -> None:
    """Neither on the prompt of a task, nor on its inputs, before the request is refused."""
    request = Request("abc", client="planner")
    async with node.serving() as service:
        service.set_policies({"p": ServingPolicy(Statement(allowed_models=("other",)), Scope("planner"))})
        with pytest.raises(PermissionDenied, match="'tiny'"):
            await service._render(request, "{{ 1 }}", {})
        with pytest.raises(PermissionDenied, match="'tiny'"):
            await service._check(request, [("{}", "1")])


async def test_a_bound_of_the_class_does_not_concern_tokenize(node: Node) -> None:
    async with node.serving() as service:
        service.set_policies({"p": ServingPolicy(Statement(max_priority="BATCH"), Scope("planner"))})
        assert (await service.tokenize("", "abc", "planner")).ids


async def test_rates_are_those_of_admission(node: Node) -> None:
    async with node.serving() as service:
        service.set_policies({"p": ServingPolicy(Statement(max_rps=0.001))})
        finished_of(await collect(service, Request("abc", client="a")))
        with pytest.raises(Exhausted) as caught:
            await collect(service, Request("abc", client="a"))
        assert caught.value.metadata["policy"] == "p"
        estimate = await service.estimate(Request("abc", client="a"))
        assert estimate.reason == "QUOTA_EXCEEDED"
