"""What a node says of its services: the record, the warning and the refusal."""

import logging
from typing import Any

import pytest

from xapp.backend.sizing import Node
from xapp.errors import ConfigError
from xapp.node_plan.planned import CpuPlace, NodePlan, PlannedService
from xapp.node_plan.report import report

MB = 1_000_000
SERVICES = (
    PlannedService("server", "server", "", 0, 100 * MB, 1, CpuPlace.SPEECH),
    PlannedService("little", "generate", "XAPP_MODEL", 200 * MB, 700 * MB, 4, CpuPlace.TEXT),
    PlannedService("big", "generate", "XAPP_MODELS", 4000 * MB, 5000 * MB, 4, CpuPlace.TEXT),
)


def plan(free_mb: int, total_mb: int = 8000) -> NodePlan:
    return NodePlan(SERVICES, Node(free_mb * MB, 4), total_mb * MB)


def events(caplog: pytest.LogCaptureFixture) -> dict[str, tuple[int, dict[str, Any]]]:
    fields = [(record.levelno, vars(record)["fields"]) for record in caplog.records]
    return {each["event"]: (level, each) for level, each in fields}


def test_the_record_has_an_entry_a_service(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    report(plan(7000))
    ((level, fields),) = events(caplog).values()
    assert level == logging.INFO
    assert fields["free_bytes"] == 7000 * MB
    assert fields["services"][1] == {
        "name": "little",
        "kind": "generate",
        "bytes": 700 * MB,
        "least_bytes": 200 * MB,
        "threads": 4,
        "priority": 2,
    }
    assert caplog.messages == [
        "the services take 5,800 MB of 7,000 MB that are free: server 100 MB, little 700 MB, big 5,000 MB"
    ]


def test_a_tight_node_is_warned_of_and_starts(caplog: pytest.LogCaptureFixture) -> None:
    report(plan(5000))
    level, fields = events(caplog)["memory_tight"]
    assert level == logging.WARNING
    assert (fields["bytes"], fields["free_bytes"]) == (5800 * MB, 5000 * MB)
    assert "5,800 MB (at least 4,200 MB), and 5,000 MB are free" in caplog.messages[-1]


def test_what_other_programs_take_now_is_no_refusal(caplog: pytest.LogCaptureFixture) -> None:
    report(plan(100))
    assert "memory_tight" in events(caplog)


def test_the_refusal_names_the_settings_and_their_numbers() -> None:
    with pytest.raises(ConfigError) as caught:
        report(plan(3900, 4000))
    assert caught.value.key == "XAPP_MODELS"
    assert caught.value.message.startswith(
        "XAPP_MODELS: the services take 4,200 MB even with the smallest KV cache, and this node has 4,000 MB:"
        " big 4,000 MB (XAPP_MODELS), little 200 MB (XAPP_MODEL): "
    )
