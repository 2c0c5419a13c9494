"""Says what fits: a log record for programs and people, a warning, or the refusal of the start."""

import logging

from xapp import logs
from xapp.errors import ConfigError
from xapp.node_plan.planned import NodePlan, PlannedService, Room, megabytes

ADVICE = "leave one out, choose a smaller model, or set XAPP_CONTEXT_LENGTH lower"
_log = logging.getLogger(__name__)


def report(plan: NodePlan) -> None:
    """Logs the event `services`. Raises ConfigError where the services cannot fit at all."""
    logs.event(_log, summary(plan), _fields(plan))
    if plan.room is Room.NONE:
        raise ConfigError(_largest(plan).key, f"{refusal(plan)}: {ADVICE}")
    if plan.room is Room.TIGHT:
        fields: dict[str, object] = {
            "event": "memory_tight",
            "bytes": plan.sized_bytes,
            "least_bytes": plan.least_bytes,
            "free_bytes": plan.node.memory_bytes,
        }
        logs.event(_log, f"{warning(plan)}: {ADVICE}", fields, level=logging.WARNING)


def summary(plan: NodePlan) -> str:
    """One line for people: each service with its memory."""
    each = ", ".join(f"{service.name} {megabytes(service.sized_bytes)}" for service in plan.services)
    free = megabytes(plan.node.memory_bytes)
    return f"the services take {megabytes(plan.sized_bytes)} of {free} that are free: {each}"


def warning(plan: NodePlan) -> str:
    """For a plan that is TIGHT."""
    return (
        f"memory is tight: the services take {megabytes(plan.sized_bytes)}"
        f" (at least {megabytes(plan.least_bytes)}), and {megabytes(plan.node.memory_bytes)} are free"
    )


def refusal(plan: NodePlan) -> str:
    """For a plan with room for NONE: every setting with its service and its least memory."""
    each = ", ".join(
        f"{service.name} {megabytes(service.least_bytes)} ({service.key})"
        for service in sorted(plan.services, key=lambda service: -service.least_bytes)
        if service.least_bytes and service.key
    )
    return (
        f"the services take {megabytes(plan.least_bytes)} even with the smallest KV cache, and this node has"
        f" {megabytes(plan.total_bytes)}: {each}"
    )


def _largest(plan: NodePlan) -> PlannedService:
    return max(plan.services, key=lambda service: service.least_bytes)


def _fields(plan: NodePlan) -> dict[str, object]:
    return {
        "event": "services",
        "room": plan.room.value,
        "free_bytes": plan.node.memory_bytes,
        "total_bytes": plan.total_bytes,
        "cores": plan.node.cores,
        "services": [_entry(service) for service in plan.services],
    }


def _entry(service: PlannedService) -> dict[str, object]:
    return {
        "name": service.name,
        "kind": service.kind,
        "bytes": service.sized_bytes,
        "least_bytes": service.least_bytes,
        "threads": service.threads,
        "priority": service.place.value,
    }
