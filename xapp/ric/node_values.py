"""The node's state for Prometheus, from the service and the host."""

import asyncio

from xapp import logs
from xapp.domain.power import NEVER_S, PowerState
from xapp.domain.service import Service
from xapp.domain.states import DurationHistogram, ModelSample, ModelState, ModelStatus, TasksState
from xapp.telemetry.host import HostReader, ProcessUsage
from xapp.telemetry.metrics import NodeValues
from xapp.telemetry.reading import ModelReading, read_models


async def read_values(service: Service, host: HostReader) -> NodeValues:
    """Reads processes in a thread, since the kernel may take milliseconds for a process."""
    samples = service.samples()
    statuses = {status.name: status for status in service.list_models()}
    readings = await asyncio.to_thread(read_models, samples, host)
    models = {name: _of_status(status) for name, status in statuses.items() if _is_loaded(status)}
    for name, reading in readings.items():
        models.setdefault(name, {}).update(_of_reading(reading))
    own = {"event_loop_tasks": len(asyncio.all_tasks()), "log_lines_dropped": float(logs.num_dropped())}
    power = _of_power(service.power_state)
    node = {**_of_tasks(service.tasks_state), **power, **own}
    histograms = {sample.name: _histograms_of(sample) for sample in samples}
    return NodeValues(ready=service.ready, models=models, node=node, histograms=histograms)


def _is_loaded(status: ModelStatus) -> bool:
    return status.state is not ModelState.AVAILABLE


def _of_status(status: ModelStatus) -> dict[str, float]:
    return {
        "model_ready": float(status.state is ModelState.READY),
        "worker_restarts": float(status.num_restarts),
    }


def _of_reading(reading: ModelReading) -> dict[str, float]:
    processes = _of_process("worker", reading.worker) | _of_process("text", reading.text)
    return _of_sample(reading.sample) | processes


def _histograms_of(sample: ModelSample) -> dict[str, DurationHistogram]:
    return {
        "time_to_first_token_seconds": sample.time_to_first_token_histogram,
        "inter_token_latency_seconds": sample.inter_token_latency_histogram,
    }


def _of_sample(sample: ModelSample) -> dict[str, float]:
    stats = sample.stats
    energy = {} if sample.energy is None else {"model_energy_joules": sample.energy.gross_j}
    return energy | {
        "running": stats.num_running,
        "waiting": stats.num_waiting,
        "paused": stats.num_paused,
        "kv_cells_used": stats.kv_cells_used,
        "kv_cells": stats.kv_cells_total,
        "kv_cache_usage_ratio": stats.kv_cells_used / stats.kv_cells_total if stats.kv_cells_total else 0.0,
        "predicted_wait_seconds": sample.wait_s,
        "kv_cells_parked": stats.kv_cells_parked,
        "engine_steps": stats.total_steps,
        "engine_step_seconds": stats.total_step_seconds,
        "prefill_tokens": stats.total_prefill_tokens,
        "decode_tokens": stats.total_decode_tokens,
        "preemptions": stats.total_preemptions,
        "evictions": stats.total_evictions,
        "interrupted_steps": stats.total_interrupted,
        "drafted_tokens": stats.total_drafted,
        "accepted_tokens": stats.total_accepted,
        "draft_steps": stats.total_draft_steps,
        "length_prediction_cpu_seconds": sample.prediction_s,
        "text_restarts": float(sample.num_text_restarts),
    }


def _of_tasks(state: TasksState) -> dict[str, float]:
    return {
        "tasks": state.num_tasks,
        "tasks_pinned": state.num_pinned,
        "tasks_reload_failed": float(bool(state.error)),
        "tasks_reloads": state.num_reloads,
        "tasks_reload_failures": state.num_failed,
    }


def _of_power(state: PowerState) -> dict[str, float]:
    """What the meters tell, and nothing else."""
    seconds = state.heat.throttles_in_s
    found = {
        "power_watts": state.watts,
        "idle_power_watts": state.idle_watts,
        "energy_joules": state.joules,
        "temperature_celsius": state.celsius,
        "throttled": None if state.throttled is None else float(state.throttled),
        "throttles_in_seconds": seconds if seconds < NEVER_S else None,
    }
    return {name: value for name, value in found.items() if value is not None}


def _of_process(kind: str, process: ProcessUsage) -> dict[str, float]:
    return {
        f"{kind}_resident_memory_bytes": process.rss_bytes,
        f"{kind}_proportional_memory_bytes": process.pss_bytes,
        f"{kind}_cpu_seconds": process.cpu_s,
    }
