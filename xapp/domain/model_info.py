"""What a loaded model is, how the engine was sized for this node, and how fast it was found to be."""

import enum

import msgspec


class StepCurve(msgspec.Struct, frozen=True, array_like=True):
    """What steps take on this node, seconds: `row_s` for `rows` tokens of a prompt without outputs, `width_s`
    for a step in which `widths` sequences decode. Ascending, at least one point each; `step_cost` reads it.
    """

    rows: tuple[int, ...]
    row_s: tuple[float, ...]
    widths: tuple[int, ...]
    width_s: tuple[float, ...]


class TuningSource(enum.StrEnum):
    """Where the choice of threads and flash attention comes from; all but the first three are the rule."""

    SET = "set"
    MEASURED = "measured"
    CACHED = "cached"
    UNSUPPORTED = "unsupported"


class StepTrial(msgspec.Struct, frozen=True):
    """The fastest step, seconds, with so many threads, with or without flash attention. `what` it computed:
    `decode-1` and `decode-4` are so many streams, `prompt-32` so many tokens of a prompt.
    """

    threads: int
    flash_attention: bool
    step_s: float
    what: str = "decode-4"


class Tuning(msgspec.Struct, frozen=True):
    """What was chosen, the trials behind it, and the seconds that those at the load took.

    `threads` compute a step of one token, `threads_batch` a larger one. `curve` is what steps take with
    them; None until it was measured, while nobody needed the node.
    """

    source: TuningSource
    threads: int
    threads_batch: int
    flash_attention: bool
    trials: tuple[StepTrial, ...] = ()
    seconds: float = 0.0
    curve: StepCurve | None = None


class ModelInfo(msgspec.Struct, frozen=True):
    """What the loaded model is and how the engine was sized for this node.

    `step_budget_s` is a fixed bound of a step with prompts in it, None is `auto` (`pace`). `curve` is None
    where nothing was measured.
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
    curve: StepCurve | None = None
    tuning: Tuning | None = None
