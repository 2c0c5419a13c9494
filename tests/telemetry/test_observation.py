"""One request is counted once, under the model that answers it, whichever way it ends."""

import asyncio
import contextlib
from dataclasses import replace

import pytest

from xapp.domain.answers import Chunk, Event, Finished, Started
from xapp.domain.messages import FinishReason
from xapp.domain.routing import Routed, RoutingReason
from xapp.errors import Exhausted, InvalidArgument
from xapp.telemetry.metrics import Metrics
from xapp.telemetry.observation import Observation, found_model

STARTED = Started("tiny", "sha256:00", 3, 1, 0.25, 7, "", joined=True)
FINISHED = Finished(FinishReason.LENGTH, 3, 1, 2, 0.25, 0.5, 1.5, 0.75)


class Gone(Exception):
    """An edge's own error."""


def observed(events: list[Event], error: BaseException | None, *, found: bool = True) -> Metrics:
    metrics = Metrics()
    with (
        contextlib.suppress(Exception, asyncio.CancelledError),
        Observation(metrics, "asked", client_gone=Gone) as observation,
    ):
        if found:
            found_model("tiny")
        for event in events:
            observation.record(event)
        if error is not None:
            raise error
    return metrics


def counted(metrics: Metrics, name: str) -> list[tuple[str, ...]]:
    """The labels that were counted, in the order of their names; each once."""
    samples = [
        sample
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == f"ricxapp_genai_{name}_total" and sample.value
    ]
    assert all(sample.value == 1 for sample in samples)
    return [tuple(value for _, value in sorted(sample.labels.items())) for sample in samples]


@pytest.mark.parametrize(
    ("events", "error", "code", "outcome"),
    [
        ([STARTED, Chunk("x", 1), FINISHED], None, "OK", "length"),
        ([STARTED], Exhausted("slow", reason="SLOW_READER"), "RESOURCE_EXHAUSTED", "slow_reader"),
        ([], InvalidArgument("prompt", "bad"), "INVALID_ARGUMENT", "invalid_argument"),
        ([STARTED], asyncio.CancelledError(), "CANCELLED", "cancelled"),
        ([STARTED, FINISHED], Gone(), "CANCELLED", "length"),
        ([STARTED], Gone(), "CANCELLED", "cancelled"),
        ([], ZeroDivisionError(), "INTERNAL", "internal"),
    ],
)
def test_each_end_is_counted_once(
    events: list[Event], error: BaseException | None, code: str, outcome: str
) -> None:
    metrics = observed(events, error)
    assert counted(metrics, "requests") == [(code, "tiny")]
    assert counted(metrics, "outcomes") == [("tiny", outcome)]


def test_what_a_caller_asks_for_names_no_series() -> None:
    metrics = observed([], InvalidArgument("prompt", "bad"), found=False)
    assert counted(metrics, "outcomes") == [("", "invalid_argument")]


def test_tokens_and_joins_are_counted() -> None:
    metrics = observed([STARTED, FINISHED], None)
    read = metrics.registry.get_sample_value
    kinds = {
        kind: read("ricxapp_genai_tokens_total", {"model": "tiny", "kind": kind})
        for kind in ("prompt", "cached", "completion")
    }
    assert kinds == {"prompt": 3, "cached": 1, "completion": 2}
    assert read("ricxapp_genai_joined_total", {"model": "tiny"}) == 1


def test_who_answered_is_counted_and_an_upstream_names_no_series() -> None:
    routed = Routed(by_upstream=True, reason=RoutingReason.HARD)
    begun = replace(STARTED, model="any name of an upstream", routed=routed)
    read = observed([begun, replace(FINISHED, routed=routed)], None).registry.get_sample_value
    assert read("ricxapp_genai_routed_total", {"answered_by": "upstream", "reason": "hard"}) == 1
    assert read("ricxapp_genai_requests_total", {"model": "tiny", "code": "OK"}) == 1


def test_without_an_observation_a_found_model_is_nobodys() -> None:
    found_model("tiny")
