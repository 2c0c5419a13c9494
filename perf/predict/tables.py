"""The tables of boards, of public figures, and of embeddings."""

import tomllib
from functools import cache
from importlib import resources
from typing import Any

import msgspec

from perf.predict.shape import GIGA, Shape, shape_of


class Board(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """See boards.toml."""

    name: str
    title: str
    threads: int
    memory_gb: float
    decode_bandwidth: list[float]
    compute: list[float]
    source: str


class PublicFigure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """See public_figures.toml."""

    board: str
    model: str
    format: str
    kernels: str
    params: float
    vocab: int
    width: int
    bits: float
    source: str
    tied: bool = False
    active: float = 0.0
    file_gb: float | None = None
    threads: int | None = None
    prefill: float | None = None
    decode: float | None = None
    deviates: str = ""
    deviates_in: tuple[str, ...] = ("decode", "prefill")
    note: str = ""

    def tells(self, phase: str) -> bool:
        """Whether the figure is a basis of predictions of this phase."""
        return getattr(self, phase) is not None and not (self.deviates and phase in self.deviates_in)

    @property
    def shape(self) -> Shape:
        """What a token costs."""
        params = self.params * GIGA
        file_bytes = params * self.bits / 8 if self.file_gb is None else self.file_gb * GIGA
        table = (self.vocab, self.width, self.tied)
        return shape_of(params, table, bits=self.bits, file_bytes=file_bytes, active=self.active * GIGA)


@cache
def boards() -> dict[str, Board]:
    """By name."""
    found = [msgspec.convert(table, Board) for table in _read("boards.toml")["board"]]
    return {board.name: board for board in found}


@cache
def public_figures() -> tuple[PublicFigure, ...]:
    """All of them, in the order of the file."""
    return tuple(msgspec.convert(table, PublicFigure) for table in _read("public_figures.toml")["figure"])


@cache
def embeddings() -> dict[str, tuple[int, int, bool]]:
    """Rows, width and whether it is tied, by model."""
    return msgspec.convert(_read("embeddings.toml")["tables"], dict[str, tuple[int, int, bool]])


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads(resources.files("perf.predict").joinpath(name).read_text("utf-8"))
