"""A loaded model: its properties, the size of its engine on this node, and its measured speed."""

import enum

import msgspec


class StepCurve(msgspec.Struct, frozen=True, array_like=True):
    """Measured times of steps on this node, seconds: `row_s` for `rows` prompt tokens without outputs,
    `width_s` for steps in which `widths` sequences decode. Ascending, at least one point each. `step_cost`
    reads it.
    """

    rows: tuple[int, ...]
    row_s: tuple[float, ...]
    widths: tuple[int, ...]
    width_s: tuple[float, ...]


class TuningSource(enum.StrEnum):
    """How threads and flash attention were chosen. All sources but the first three are the default rule."""

    SET = "set"
    MEASURED = "measured"
    CACHED = "cached"
    UNSUPPORTED = "unsupported"


class StepTrial(msgspec.Struct, frozen=True):
    """The fastest step, seconds, with a number of threads, with or without flash attention. `what` is the
    kind of step: `decode-1` and `decode-4` decode so many streams, `prompt-32` computes so many prompt
    tokens.
    """

    threads: int
    flash_attention: bool
    step_s: float
    what: str = "decode-4"


class Tuning(msgspec.Struct, frozen=True):
    """The choice, the trials behind it, and the seconds of the trials during the load.

    `threads` compute a step of one token, `threads_batch` a larger step. `curve` has the times of steps
    with this choice; None until it was measured in idle time.
    """

    source: TuningSource
    threads: int
    threads_batch: int
    flash_attention: bool
    trials: tuple[StepTrial, ...] = ()
    seconds: float = 0.0
    curve: StepCurve | None = None


class Shard(msgspec.Struct, frozen=True):
    """The layers of a model at one place, `num_layers` from `first_layer` on; `host` "" is this node.

    `weight_bytes` and `kv_bytes` are what the place stores. `bytes_per_s`: how fast it was measured to read
    weights.
    """

    host: str
    first_layer: int
    num_layers: int
    weight_bytes: int
    kv_bytes: int
    bytes_per_s: float


class ModelInfo(msgspec.Struct, frozen=True):
    """The properties of a loaded model, and the size of its engine on this node.

    `step_budget_s` is a fixed bound of a step with prompts, None is `auto` (`pace`). `curve` is None
    without measurements. A step with prompts and answers and at least `apart_from` tokens computes the
    prompts first, then the answers; None: never. `strategy` is the default strategy, a name of
    `decoding.BY_NAME`. `draft` is the file of the draft model, "" without one. `kind` is a name of
    `kinds.MODEL_KINDS`. `dimensions`: numbers of a vector; 0 for a model that generates text, whose
    `kv_cells_total` is not 0. `shards` has the places of
    the layers, this node first; none for a model that is on this node alone. `missing_hosts` are helpers of
    the settings that did not answer, each with the reason.
    """

    description: str
    size_bytes: int
    context_length: int
    num_slots: int
    kv_cells_total: int
    kv_bytes: int
    kv_type: str
    flash_attention: bool
    num_threads: int
    gpu_layers: int
    step_budget_s: float | None
    vocab_size: int
    shares_prefixes: bool = True
    prefill_share: float = 0.5
    batch_tokens: int = 512
    apart_from: int | None = None
    curve: StepCurve | None = None
    tuning: Tuning | None = None
    strategy: str = "plain"
    draft: str = ""
    kind: str = "generate"
    dimensions: int = 0
    shards: tuple[Shard, ...] = ()
    missing_hosts: tuple[str, ...] = ()
