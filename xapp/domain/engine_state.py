"""The state of the engine, as a worker reports it after each step."""

import msgspec


class StepPrices(msgspec.Struct, frozen=True, array_like=True):
    """The factor of a StepCurve on this node now, and the price of a cell that the attention of a token
    reads, seconds.
    """

    scale: float = 1.0
    cell_s: float = 0.0


class Stats(msgspec.Struct, frozen=True, array_like=True):
    """The engine's state after a step. The `total_` counters only grow.

    `prices` is the basis of its predictions. `num_prefill_left`: prompt tokens that running
    sequences have still to compute. `num_paused` of the waiting sequences had a slot and kept their cells.
    `kv_cells_parked`: tokens of parked prefixes, which are not in cells.
    `total_interrupted` counts steps that ended before they were computed. `total_accepted` of
    `total_drafted` drafts of ended requests were right; `total_draft_steps` counts the steps of each of
    these requests that had drafts.
    """

    num_running: int = 0
    num_waiting: int = 0
    kv_cells_used: int = 0
    kv_cells_total: int = 0
    total_prefill_tokens: int = 0
    total_cached_tokens: int = 0
    total_decode_tokens: int = 0
    total_steps: int = 0
    total_step_seconds: float = 0.0
    num_paused: int = 0
    num_prefill_left: int = 0
    prices: StepPrices | None = None
    total_preemptions: int = 0
    total_evictions: int = 0
    kv_cells_parked: int = 0
    total_interrupted: int = 0
    total_drafted: int = 0
    total_accepted: int = 0
    total_draft_steps: int = 0
