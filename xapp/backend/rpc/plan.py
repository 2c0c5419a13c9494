"""Plans where the layers of a model go: asks the helpers, sizes the cache, splits the layers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path

import msgspec

from xapp.backend.rpc.errors import memory_lost
from xapp.backend.rpc.probe import HostState
from xapp.backend.rpc.split import SPLIT_KEY, Layer, Place, check_split, fastest_split
from xapp.backend.sizing import RESERVE_BYTES, Geometry, Node, kv_bytes_per_cell, size
from xapp.config import EngineSettings
from xapp.config.rpc_hosts import RpcHost, parse_hosts, parse_split
from xapp.domain.model_info import Shard
from xapp.domain.prefix import PARKED_SHARE
from xapp.errors import ConfigError, ModelError, Unavailable
from xapp.models.catalogue import KvType
from xapp.models.info import read_gguf
from xapp.models.layers import layer_bytes
from xapp.models.parts import total_bytes

HOST_RESERVE_BYTES = 128 * 1024 * 1024
"""Memory of a helper that is not used for layers: its compute buffers, and a tensor on its way."""
HERE = "this node"

Probe = Callable[[RpcHost], HostState]
Speed = Callable[[HostState | None], float]
"""Bytes of weights a second that a helper reads; None is this node."""


@dataclass(frozen=True, slots=True)
class Hosts:
    """The helpers that answered, in the order of the settings, and why the others are missing."""

    states: tuple[HostState, ...]
    missing: tuple[str, ...] = ()

    @property
    def room_bytes(self) -> int:
        """What all helpers together can store."""
        return sum(map(host_room, self.states))


@dataclass(frozen=True, slots=True)
class Plan:
    """The layers at this node and at each helper of `states`. `node` has the memory of all, and `settings`
    have no limit of memory any more: the limit is in `node`.
    """

    states: tuple[HostState, ...]
    shards: tuple[Shard, ...]
    missing: tuple[str, ...]
    node: Node
    settings: EngineSettings


def host_room(state: HostState) -> int:
    """Bytes of layers that a helper has room for."""
    return max(state.free_bytes - HOST_RESERVE_BYTES, 0)


def ask_hosts(settings: EngineSettings, probe: Probe) -> Hosts:
    """Asks each helper. A helper that does not answer is missing.

    Raises ModelError for a port that is no helper of this build, ConfigError for a helper with two names.
    """
    states: list[HostState] = []
    missing: list[str] = []
    for host in parse_hosts(settings.rpc_hosts):
        try:
            state = probe(host)
        except Unavailable as error:
            missing.append(error.message)
        else:
            _check_new(state, states)
            states.append(state)
    return Hosts(tuple(states), tuple(missing))


def _check_new(state: HostState, others: Sequence[HostState]) -> None:
    for other in others:
        if other.address == state.address:
            text = f"{other.host} and {state.host} are the same helper, {state.address}"
            raise ConfigError("XAPP_RPC_HOSTS", text)


def plan(path: str, settings: EngineSettings, node: Node, probe: Probe, speed: Speed) -> Plan:
    """The fastest split of the model over this node and the helpers that answer, or the split of the
    settings.

    Raises Unavailable where a missing helper's memory is needed, ModelError where the memory of all is too
    little, ConfigError for a split that contradicts the model.
    """
    hosts = ask_hosts(settings, probe)
    own = own_bytes(settings, node.memory_bytes)
    whole = replace(node, memory_bytes=own + hosts.room_bytes)
    free = msgspec.structs.replace(settings, memory_limit_mb=None)
    model = _model(Path(path), free, whole)
    room = own - RESERVE_BYTES - model.here_bytes
    places = [Place("", room, speed(None)), *(_place(state, speed(state)) for state in hosts.states)]
    counts = _counts(model.layers, places, settings, hosts)
    if counts is None:
        raise _no_room(path, model.layers, places, hosts)
    return Plan(hosts.states, _shards(model.layers, places, counts), hosts.missing, whole, free)


def own_bytes(settings: EngineSettings, memory_bytes: int) -> int:
    """The memory of this node that the settings allow."""
    limit = settings.memory_limit_mb
    return memory_bytes if limit is None else min(memory_bytes, limit * 1024 * 1024)


@dataclass(frozen=True, slots=True)
class _Model:
    """The layers, and the bytes beside them that this node stores in any case."""

    layers: tuple[Layer, ...]
    here_bytes: int


def _model(path: Path, settings: EngineSettings, node: Node) -> _Model:
    weights, info = layer_bytes(path), read_gguf(path)
    per_token = info.geometry.bytes_per_token(KvType.F16) if info.geometry else 0
    draft_bytes = total_bytes(Path(settings.draft)) if settings.draft else 0
    total = sum(weights.layers) + weights.others + draft_bytes
    geometry = Geometry(per_token, total, info.context_length or 1 << 20)
    sizing = size(node, geometry, settings)
    kv_bytes = int(sizing.kv_cells * kv_bytes_per_cell(geometry, sizing.kv_type))
    each = -(-kv_bytes // len(weights.layers))
    parked = int(kv_bytes * PARKED_SHARE) if settings.prefix_cache else 0
    return _Model(tuple(Layer(size, each) for size in weights.layers), weights.others + draft_bytes + parked)


def _place(state: HostState, bytes_per_s: float) -> Place:
    return Place(str(state.host), host_room(state), bytes_per_s, state.round_trip_s)


def _counts(
    layers: Sequence[Layer], places: Sequence[Place], settings: EngineSettings, hosts: Hosts
) -> Sequence[int] | None:
    """The split of the settings, unless a helper is missing. Otherwise the fastest split."""
    given = parse_split(settings.rpc_split)
    if not given or hosts.missing:
        return fastest_split(layers, places)
    check_split(given, len(places), len(layers))
    _check_room(given, layers, places)
    return given


def _check_room(counts: Sequence[int], layers: Sequence[Layer], places: Sequence[Place]) -> None:
    for place, (first, count) in zip(places, _runs(counts), strict=True):
        need = sum(layer.bytes for layer in layers[first : first + count])
        if need > max(place.room_bytes, 0):
            name, room = place.name or HERE, max(place.room_bytes, 0)
            text = f"{count} layers at {name} need {_mb(need)} MB, and there is room for {_mb(room)} MB"
            raise ConfigError(SPLIT_KEY, text)


def _runs(counts: Sequence[int]) -> list[tuple[int, int]]:
    """The first layer and the number of layers of each place."""
    return list(zip(accumulate(counts, initial=0), counts, strict=False))


def _shards(layers: Sequence[Layer], places: Sequence[Place], counts: Sequence[int]) -> tuple[Shard, ...]:
    return tuple(
        _shard(place, first, layers[first : first + count])
        for place, (first, count) in zip(places, _runs(counts), strict=True)
    )


def _shard(place: Place, first: int, layers: Sequence[Layer]) -> Shard:
    return Shard(
        host=place.name,
        first_layer=first,
        num_layers=len(layers),
        weight_bytes=sum(layer.weight_bytes for layer in layers),
        kv_bytes=sum(layer.kv_bytes for layer in layers),
        bytes_per_s=place.bytes_per_s,
    )


def _no_room(
    path: str, layers: Sequence[Layer], places: Sequence[Place], hosts: Hosts
) -> ModelError | Unavailable:
    rooms = ", ".join(f"{place.name or HERE} {_mb(max(place.room_bytes, 0))} MB" for place in places)
    need = _mb(sum(layer.bytes for layer in layers))
    text = f"{path}: its layers need {need} MB, and there is room for: {rooms}"
    if hosts.missing:
        return memory_lost("; ".join((text, *hosts.missing)))
    return ModelError(text, reason="OUT_OF_MEMORY")


def _mb(num_bytes: int) -> int:
    return num_bytes // (1024 * 1024)
