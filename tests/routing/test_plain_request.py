"""A request that would lose something on its way stays here."""

from typing import Any

import pytest

from xapp.domain.messages import SamplingParams
from xapp.domain.requests import ChatMessage, Request
from xapp.routing.plain_request import beyond_plain


@pytest.mark.parametrize(
    ("sampling", "named"),
    [
        ({"presence_penalty": 0.5}, "penalties"),
        ({"logit_bias": ((1, 2.0),)}, "logit_bias"),
        ({"top_log_probabilities": 0}, "top_log_probabilities"),
        ({"max_reasoning_tokens": 5}, "max_reasoning_tokens"),
        ({"temperature": 0.5, "top_k": 3, "top_p": 0.5, "min_p": 0.5, "repeat_penalty": 2.0}, ""),
    ],
)
def test_parameters_that_an_upstream_does_not_get_are_named(sampling: dict[str, Any], named: str) -> None:
    found = beyond_plain(Request((ChatMessage("user", "why?"),), sampling=SamplingParams(**sampling)))
    assert named in found
    assert bool(found) == bool(named)
