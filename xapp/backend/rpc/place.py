"""Places a model's layers at helpers: probes, connects, measures, plans."""

import time
from dataclasses import dataclass
from functools import partial

from xapp.backend.rpc.devices import Offload, cpu_device, has_rpc, helper_device
from xapp.backend.rpc.errors import no_rpc
from xapp.backend.rpc.lost_host import Connections, watch
from xapp.backend.rpc.plan import Plan, plan
from xapp.backend.rpc.probe import HostState, probe
from xapp.backend.rpc.speed import NEED_BYTES, bytes_per_s, keep_open
from xapp.backend.sizing import Node
from xapp.config import EngineSettings
from xapp.config.rpc_hosts import RpcHost
from xapp.domain.model_info import Shard
from xapp.errors import Unavailable

UNMEASURED = 1e6
"""Bytes a second of a helper without memory for a measurement: the slowest."""
PATIENCE_S = 3.0
"""A helper whose process has died is back after a second or two. It need not be left out for that."""
AGAIN_S = 0.2


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a model goes. `node` and `settings` are those to size it with."""

    node: Node
    settings: EngineSettings
    offload: Offload | None = None
    shards: tuple[Shard, ...] = ()
    missing: tuple[str, ...] = ()


def place(path: str, settings: EngineSettings, node: Node) -> Placement:
    """Without helpers in the settings everything is on this node. Raises XappError."""
    if not settings.rpc_hosts:
        return Placement(node, settings)
    if not has_rpc():
        raise no_rpc()
    threads = settings.threads or node.cores
    planned = plan(path, settings, node, _probe_patiently, partial(_speed, threads))
    return Placement(planned.node, planned.settings, _offload(planned), planned.shards, planned.missing)


def _probe_patiently(host: RpcHost) -> HostState:
    """Raises as `probe` does, Unavailable after PATIENCE_S."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return probe(host)
        except Unavailable:
            if time.monotonic() > until:
                raise
        time.sleep(AGAIN_S)


def _speed(threads: int, state: HostState | None) -> float:
    if state is None:
        return bytes_per_s(cpu_device(), threads=threads) or UNMEASURED
    if state.free_bytes < NEED_BYTES:
        return UNMEASURED
    measured = bytes_per_s(helper_device(state.address), round_trip_s=state.round_trip_s)
    return measured or UNMEASURED


def _offload(planned: Plan) -> Offload | None:
    """The helpers with layers, connected for the life of the process."""
    used = [
        (state, shard.num_layers)
        for state, shard in zip(planned.states, planned.shards[1:], strict=True)
        if shard.num_layers
    ]
    if not used:
        return None
    devices = tuple(helper_device(state.address) for state, _ in used)
    for device in devices:
        keep_open(device)
    connections = Connections({state.address: str(state.host) for state, _ in used})
    connections.find()
    watch(connections)
    return Offload(devices, tuple(count for _, count in used))
