"""A model's own server for the time of its dialogues, and what is known of it before the first turn."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import msgspec
import psutil

from perf.meter.sampler import Probe, Sampler
from perf.paper.paper_samples import Started
from perf.record import result_schema
from perf.targets.grpc_target import GrpcTarget
from perf.targets.own_server import Own, own_target
from perf.targets.target import TargetError
from xapp.client import Client, ClientError
from xapp.inference.v1 import models_pb2

IDLE_S = 5.0
"""How long the idle power is measured, where there is a meter."""

_DESCRIBE_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Node:
    """A server that serves one model, and the meters on it."""

    started: Started
    target: GrpcTarget
    sampler: Sampler


@asynccontextmanager
async def serving(model: str, name: str) -> AsyncIterator[Node]:
    """Starts a server of `model` (a name or a path), called `name` in the samples; stops it in the end.

    Raises TargetError when it does not come up.
    """
    async with own_target(model) as own:
        probe = await asyncio.to_thread(Probe, own.server_pid)
        with Sampler(probe.read) as sampler:
            idle_w = await _idle_watts(sampler) if probe.energy_meter else None
            started = await _started(own, name, probe, idle_w)
            yield Node(started, own.target, sampler)


async def _idle_watts(sampler: Sampler) -> float | None:
    sampler.begin()
    await asyncio.sleep(IDLE_S)
    reading = sampler.end()
    return None if reading.energy_j is None else reading.energy_j / reading.wall_s


async def _started(own: Own, name: str, probe: Probe, idle_w: float | None) -> Started:
    model = await _default_model(own.server.target)
    target = await own.target.describe()
    return Started(
        model=name,
        target=msgspec.structs.replace(target, model=name, flags=sized(model)),
        size_bytes=model.size_bytes,
        context_length=model.context_length,
        load_s=own.load_s,
        memory_total_bytes=psutil.virtual_memory().total,
        cores=psutil.cpu_count() or 1,
        idle_w=idle_w,
        energy_meter=probe.energy_meter,
        not_measured=dict(probe.not_measured),
        raw=not model.has_chat_template,
    )


async def _default_model(address: str) -> models_pb2.Model:
    async with Client(address) as client:
        try:
            models = await client.list_models(deadline_s=_DESCRIBE_TIMEOUT_S)
        except ClientError as error:
            raise TargetError("lost", str(error)) from error
    return next(model for model in models if model.is_default)


def sized(model: models_pb2.Model) -> list[str]:
    """How the server sized itself, as settings would say it."""
    return [
        f"XAPP_CONTEXT_LENGTH={model.context_length}",
        f"XAPP_SLOTS={model.num_slots}",
        f"XAPP_KV_CELLS={model.kv_cells_total}",
        f"XAPP_KV_TYPE={model.kv_type}",
        f"XAPP_FLASH_ATTENTION={'on' if model.flash_attention else 'off'}",
        f"XAPP_THREADS={model.num_threads}",
    ]


def targets(samples: list[Started]) -> list[result_schema.Target]:
    """One a model: as it was started last."""
    return list({started.model: started.target for started in samples}.values())
