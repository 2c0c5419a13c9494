"""`[engine]`: how a worker computes, for all models. `[models.NAME]` may differ from it."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from xapp.config.rpc_hosts import parse_hosts, parse_split


class EngineSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of one worker. None: the service derives the size from the node.

    `rpc_hosts` are helpers that compute some of the model's layers, `rpc_split` the layers of this node and
    of each helper; "" lets the service choose.
    """

    context_length: Annotated[int, Meta(ge=64)] | None = None
    slots: Annotated[int, Meta(ge=1, le=128)] | None = None
    kv_cells: Annotated[int, Meta(ge=64)] | None = None
    kv_type: Literal["auto", "f16", "q8_0"] = "auto"
    kv_layout: Literal["unified"] = "unified"
    flash_attention: Literal["auto", "on", "off"] = "auto"
    threads: Annotated[int, Meta(ge=1, le=512)] | None = None
    gpu_layers: Annotated[int, Meta(ge=-1)] = 0
    memory_limit_mb: Annotated[int, Meta(ge=64)] | None = None
    step_budget_ms: Annotated[float, Meta(ge=1, le=60_000)] | Literal["auto"] = "auto"
    prefill_share: Annotated[float, Meta(ge=0, le=1)] = 0.5
    batch_tokens: Annotated[int, Meta(ge=1, le=4096)] = 512
    prefix_cache: bool = True
    survey: bool = True
    draft: str = ""
    strategy: Literal["plain", "ngram", "draft", "auto"] = "plain"
    ageing_s: Annotated[float, Meta(gt=0, le=86_400)] = 30.0
    rpc_hosts: str = ""
    rpc_split: str = ""
    backend: Literal["llama", "fake"] = "llama"

    def __post_init__(self) -> None:
        parse_hosts(self.rpc_hosts)
        parse_split(self.rpc_split)

    @property
    def step_budget_s(self) -> float | None:
        """Seconds that a step with prompts may take beside answers; None is `auto`."""
        return None if self.step_budget_ms == "auto" else self.step_budget_ms / 1000
