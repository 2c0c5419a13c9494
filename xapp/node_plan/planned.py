"""The plan of a node: its services, and whether they fit. Pure arithmetic."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from xapp.backend.sizing import Node


class CpuPlace(IntEnum):
    """Who gets a core first. `xapp/workers/niceness.py` says how Linux is told."""

    SPEECH = 1
    """Speech in real time. The server, the text processes and the parser have the same place, for moments."""
    TEXT = 2
    """Text and vectors that somebody waits for."""
    BATCH = 3
    """Batches of vectors, for which nobody waits. A vector that somebody waits for has the place of text."""


class Room(StrEnum):
    """FITS: as sized. TIGHT: all services may fit, with less than their sizes. NONE: they cannot fit."""

    FITS = "fits"
    TIGHT = "tight"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class PlannedService:
    """One service of the node. `key` is the setting that asks for it, "" for the node's own parts.

    `least_bytes`: weights and the smallest caches. `sized_bytes`: as it will be sized here. `kv_cells`:
    tokens of its KV cache as sized, 0 without one.
    """

    name: str
    kind: str
    key: str
    least_bytes: int
    sized_bytes: int
    threads: int
    place: CpuPlace
    kv_cells: int = 0


@dataclass(frozen=True, slots=True)
class NodePlan:
    """The services of a node. `node` has the memory that is free before they start, `total_bytes` is the
    memory of the machine or of the container.
    """

    services: Sequence[PlannedService]
    node: Node
    total_bytes: int

    @property
    def least_bytes(self) -> int:
        """What all services take at least."""
        return sum(service.least_bytes for service in self.services)

    @property
    def sized_bytes(self) -> int:
        """What all services take as they will be sized."""
        return sum(service.sized_bytes for service in self.services)

    @property
    def room(self) -> Room:
        """NONE compares with all memory, not with the free memory: a later start would fail, too."""
        if self.least_bytes > self.total_bytes:
            return Room.NONE
        return Room.FITS if self.sized_bytes <= self.node.memory_bytes else Room.TIGHT


def megabytes(num_bytes: int) -> str:
    """For people: `1,234 MB`."""
    return f"{num_bytes / 1e6:,.0f} MB"
