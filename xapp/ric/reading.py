"""The node's state for Prometheus, from the service and the host."""

import asyncio

from xapp import logs
from xapp.domain.service import Service
from xapp.domain.states import ModelSample, ModelState, ModelStatus, TasksState
from xapp.telemetry.host import HostReader, ProcessUsage
from xapp.telemetry.metrics import NodeReading


async def read_node(service: Service, host: HostReader) -> NodeReading:
    """Reads processes in a thread, for the kernel may take milliseconds over one."""
    samples = service.samples()
    statuses = {status.name: status for status in service.list_models()}
    usage = await asyncio.to_thread(lambda: [_processes(host, sample) for sample in samples])
    models = {name: _of_status(status) for name, status in statuses.items() if _is_loaded(status)}
    for sample, processes in zip(samples, usage, strict=True):
        models.setdefault(sample.name, {}).update(_of_sample(sample) | processes)
    node = {**_of_tasks(service.tasks_state), "log_lines_dropped": float(logs.num_dropped())}
    return NodeReading(ready=service.ready, models=models, node=node)


def _is_loaded(status: ModelStatus) -> bool:
    return status.state is not ModelState.AVAILABLE


def _of_status(status: ModelStatus) -> dict[str, float]:
    return {
        "model_ready": float(status.state is ModelState.READY),
        "worker_restarts": float(status.num_restarts),
    }


def _of_sample(sample: ModelSample) -> dict[str, float]:
    stats = sample.stats
    return {
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


def _processes(host: HostReader, sample: ModelSample) -> dict[str, float]:
    worker, text = host.process(sample.worker_pid), host.process(sample.text_pid)
    return _of_process("worker", worker) | _of_process("text", text)


def _of_process(kind: str, process: ProcessUsage) -> dict[str, float]:
    return {
        f"{kind}_resident_memory_bytes": process.rss_bytes,
        f"{kind}_proportional_memory_bytes": process.pss_bytes,
        f"{kind}_cpu_seconds": process.cpu_s,
    }
