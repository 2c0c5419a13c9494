"""The objects of the live view. Counters only grow: their reader makes rates of two answers."""

from collections.abc import Sequence
from typing import Any

import msgspec

from xapp.domain.states import ModelStatus
from xapp.domain.task import Task
from xapp.telemetry.reading import ModelReading, NodeReading


def node(name: str, reading: NodeReading, statuses: Sequence[ModelStatus], *, ready: bool) -> dict[str, Any]:
    """The whole node. `at_s` is on a monotonic clock."""
    return {
        "node": name,
        "ready": ready,
        "at_s": reading.at,
        "host": msgspec.to_builtins(reading.host),
        "models": [model(each, reading.models.get(each.name)) for each in statuses],
    }


def model(status: ModelStatus, reading: ModelReading | None) -> dict[str, Any]:
    """One model; with its load where it is loaded."""
    found = {
        "name": status.name,
        "state": status.state,
        "is_default": status.is_default,
        "error": status.error,
        "warning": status.warning,
        "progress": status.progress,
        "size_bytes": status.size_bytes,
        "license": status.license,
        "loaded": reading is not None,
    }
    return found | (_load(reading) if reading is not None else {})


def _load(reading: ModelReading) -> dict[str, Any]:
    sample = reading.sample
    return {
        "num_running": sample.stats.num_running,
        "num_waiting": sample.stats.num_waiting,
        "total_decode_tokens": sample.stats.total_decode_tokens,
        "total_prefill_tokens": sample.stats.total_prefill_tokens,
        "kv_cells_used": sample.stats.kv_cells_used,
        "kv_cells_total": sample.stats.kv_cells_total,
        "time_to_first_token": msgspec.to_builtins(sample.time_to_first_token),
        "inter_token_latency": msgspec.to_builtins(sample.inter_token_latency),
        "worker_pss_bytes": reading.worker.pss_bytes or reading.worker.rss_bytes,
    }


def task(each: Task) -> dict[str, Any]:
    """One version of a task."""
    return {
        "name": each.name,
        "version": each.version,
        "description": each.description,
        "kind": each.kind,
        "inputs": [
            {
                "name": one.name,
                "type": one.type,
                "description": one.description,
                "optional": one.optional,
            }
            for one in each.inputs
        ],
    }
