"""The rows of `models list`: from the catalogue, and from the files of the folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xapp.errors import ModelError
from xapp.models.catalogue import Entry, KvType, catalogue, weights_and_kv
from xapp.models.digest import record_of
from xapp.models.hub_names import HubName
from xapp.models.info import GgufInfo, read_gguf
from xapp.models.parts import check_parts, total_bytes
from xapp.models.store import ModelFile, local_models
from xapp.models.vector_memory import step_bytes


@dataclass(frozen=True, slots=True)
class Row:
    """One model as `models list` knows it: from the catalogue, from its file, or from both.

    `memory_bytes` is weights and KV cache at `memory_context` tokens.
    """

    name: str
    entry: Entry | None
    path: Path | None
    info: GgufInfo | None
    fault: str
    kv_type: KvType
    wanted_context: int

    @property
    def kind(self) -> str:
        """The catalogue's kind; "" for a file that is not in it."""
        return self.entry.kind.value if self.entry else ""

    @property
    def size_bytes(self) -> int | None:
        """The size of the file if it is there, else the catalogue's."""
        return total_bytes(self.path) if self.path else self.entry.size_bytes if self.entry else None

    @property
    def context_length(self) -> int | None:
        """The context length in tokens. The file's counts before the catalogue's."""
        stated = self.info.context_length if self.info else None
        return stated or (self.entry.context_length if self.entry else None)

    @property
    def memory_context(self) -> int:
        """The context asked for, no longer than the model's own."""
        return min(self.wanted_context, self.context_length or self.wanted_context)

    @property
    def memory_bytes(self) -> int | None:
        """Bytes; None if the size or the KV geometry is unknown. A model of vectors keeps no KV cache."""
        if not self.generates:
            return None if self.size_bytes is None else self.size_bytes + self._step_bytes
        geometry = self.info.geometry if self.info else None
        geometry = geometry or (self.entry.geometry if self.entry else None)
        return weights_and_kv(self.size_bytes, geometry, self.memory_context, self.kv_type)

    @property
    def generates(self) -> bool:
        """Whether it is a model that generates text."""
        in_file = self.info is None or self.info.kind.generates
        return in_file and (self.entry is None or self.entry.kind.model_kind.generates)

    @property
    def _step_bytes(self) -> int:
        if self.info is not None:
            return step_bytes(self.info.n_head_kv, self.info.dimensions)
        heads = self.entry.n_head_kv if self.entry else None
        return step_bytes(heads, heads * (self.entry.head_dim or 0) if self.entry and heads else None)

    @property
    def license(self) -> str:
        """The catalogue's licence, else the file's."""
        return self.entry.license if self.entry else self.info.license if self.info else ""

    @property
    def state(self) -> str:
        """One word on the file."""
        return "broken" if self.fault else "here" if self.path else ""

    @property
    def source(self) -> str | None:
        """The source for `models pull`; for a file that is not in the catalogue, the source in its record."""
        if self.entry is None and self.path and (record := record_of(self.path)):
            return record.source or None
        return entry_source(self.entry)

    def as_json(self) -> dict[str, Any]:
        """Bytes and tokens as numbers; null for unknown."""
        entry = self.entry
        return {
            "name": self.name,
            "kind": self.kind or None,
            "family": (entry and entry.family) or None,
            "in_catalogue": entry is not None,
            "downloaded": self.path is not None,
            "path": str(self.path) if self.path else None,
            "error": self.fault or None,
            "source": self.source,
            "gated": entry.gated if entry else None,
            "size_bytes": self.size_bytes,
            "params": params_text(entry) or None,
            "license": self.license or None,
            "context_length": self.context_length,
            "memory_bytes": self.memory_bytes,
            "memory_context_length": self.memory_context,
            "memory_kv_type": self.kv_type.value,
        }


def rows(models_dir: Path, *, context: int, kv_type: KvType, everything: bool) -> list[Row]:
    """The files of the folder first, then the models that can be pulled."""
    here = local_models(models_dir)
    names = {model.name for model in here}
    absent = [
        entry
        for entry in catalogue().values()
        if entry.name not in names and (everything or entry.kind.servable)
    ]
    local = [_local_row(model, context, kv_type) for model in here]
    return local + [Row(entry.name, entry, None, None, "", kv_type, context) for entry in absent]


def _local_row(model: ModelFile, context: int, kv_type: KvType) -> Row:
    try:
        check_parts(model.path)
        info, fault = read_gguf(model.path), ""
    except ModelError as error:
        info, fault = None, error.message
    return Row(model.name, model.entry, model.path, info, fault, kv_type, context)


def entry_source(entry: Entry | None) -> str | None:
    """The source for `models pull`."""
    if entry is None:
        return None
    return entry.package.requirement if entry.package else HubName(entry.repo, entry.file).source


def params_text(entry: Entry | None) -> str:
    """The number of parameters. An exact number is shortened: 1,235,814,432 is 1.24B."""
    if entry is None or entry.num_params is None:
        return entry.params if entry else ""
    count = entry.num_params
    return f"{count / 1e9:.3g}B" if count >= 1e9 else f"{count / 1e6:.3g}M"
