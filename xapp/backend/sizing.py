"""Sizing: the number of slots, threads and KV cells for this node and this model. Pure arithmetic.

A given setting is kept. Open settings are derived from RAM, cores and the model.
"""

from dataclasses import dataclass

from xapp.config import EngineSettings
from xapp.errors import ConfigError

DEFAULT_SLOTS = 8
CELLS_PER_SLOT = 1024
"""Cells of a slot with plenty of memory. One long request may use the cells of others."""
MIN_CONTEXT = 2048
"""Below this number of cells the cache uses q8_0 instead of f16."""
KV_SHARE = 0.5
"""The share of free memory that the KV cache may use."""
RESERVE_BYTES = 256 * 1024 * 1024
"""Reserve for compute buffers and for the rest of the node."""
Q8_0_RATIO = 34 / 64
"""Ratio of bytes in q8_0 to bytes in f16."""


@dataclass(frozen=True, slots=True)
class Node:
    """The node: bytes that can be used without swapping, and usable cores.

    `hardware_threads` is the number of threads that those cores run at once; 0: one a core.
    """

    memory_bytes: int
    cores: int
    hardware_threads: int = 0


@dataclass(frozen=True, slots=True)
class Geometry:
    """The model: bytes of one token's K and V in f16, of its weights, and its trained context."""

    kv_bytes_per_token: int
    weight_bytes: int
    trained_context: int


@dataclass(frozen=True, slots=True)
class Sizing:
    """The size of the engine."""

    context_length: int
    slots: int
    kv_cells: int
    kv_type: str
    threads: int


def size(node: Node, model: Geometry, settings: EngineSettings) -> Sizing:
    """Raises ConfigError for settings that contradict each other or do not fit the model."""
    slots = settings.slots or min(DEFAULT_SLOTS, settings.batch_tokens)
    _check_settings(settings, slots)
    kv_type = settings.kv_type
    if kv_type == "auto":
        roomy = _affordable(node, model, settings, "f16") >= MIN_CONTEXT
        kv_type = "f16" if roomy or settings.flash_attention == "off" else "q8_0"
    cells = settings.kv_cells or _cells(_affordable(node, model, settings, kv_type), slots, settings, model)
    context = settings.context_length or min(model.trained_context, cells)
    _check(context, cells, model)
    return Sizing(context, slots, _padded(cells), kv_type, settings.threads or node.cores)


def _affordable(node: Node, model: Geometry, settings: EngineSettings, kv_type: str) -> int:
    """Cells that fit into memory. At least one request of MIN_CONTEXT / 4 tokens is always tried."""
    limit = node.memory_bytes
    if settings.memory_limit_mb is not None:
        limit = min(limit, settings.memory_limit_mb * 1024 * 1024)
    free = limit - model.weight_bytes - RESERVE_BYTES
    per_cell = max(kv_bytes_per_cell(model, kv_type), 1)
    return max(int(free * KV_SHARE / per_cell), MIN_CONTEXT // 4)


def kv_bytes_per_cell(model: Geometry, kv_type: str) -> float:
    """Bytes of one token's K and V in that type."""
    return model.kv_bytes_per_token * (Q8_0_RATIO if kv_type == "q8_0" else 1.0)


def _cells(affordable: int, slots: int, settings: EngineSettings, model: Geometry) -> int:
    wish = max(slots * CELLS_PER_SLOT, settings.context_length or MIN_CONTEXT)
    return min(affordable, wish, slots * model.trained_context)


def _padded(cells: int) -> int:
    # llama.cpp itself rounds the context up to a multiple of 256: count the actual cells.
    return -(-cells // 256) * 256


def _check_settings(settings: EngineSettings, slots: int) -> None:
    if slots > settings.batch_tokens:
        raise ConfigError(
            "XAPP_BATCH_TOKENS",
            f"{settings.batch_tokens} tokens in a batch are fewer than {slots} slots (XAPP_SLOTS),"
            " which may all decode in one",
        )
    if settings.kv_type == "q8_0" and settings.flash_attention == "off":
        raise ConfigError("XAPP_KV_TYPE", "q8_0 needs flash attention, and XAPP_FLASH_ATTENTION is off")


def _check(context: int, cells: int, model: Geometry) -> None:
    if context > model.trained_context:
        raise ConfigError(
            "XAPP_CONTEXT_LENGTH",
            f"{context} is over the {model.trained_context} tokens the model is made for",
        )
    if context > cells:
        raise ConfigError(
            "XAPP_CONTEXT_LENGTH", f"{context} tokens do not fit {cells} KV cells (XAPP_KV_CELLS)"
        )
