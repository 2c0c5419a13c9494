"""How a context was sized, so that another can be made the same."""

from typing import Self

import msgspec

from xapp.domain.messages import ModelInfo


class EngineConfig(msgspec.Struct, frozen=True):
    """How the worker sized its context; the baseline takes the same."""

    kv_cells: int
    num_slots: int
    num_threads: int
    flash_attention: bool
    kv_type: str
    batch_tokens: int

    @classmethod
    def of(cls, info: ModelInfo, batch_tokens: int) -> Self:
        """From what the worker says of itself, and the setting it does not repeat."""
        return cls(
            kv_cells=info.kv_cells_total,
            num_slots=info.num_slots,
            num_threads=info.num_threads,
            flash_attention=info.flash_attention,
            kv_type=info.kv_type,
            batch_tokens=batch_tokens,
        )
