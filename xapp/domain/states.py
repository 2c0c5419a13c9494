"""What models and tasks of a node are doing."""

from dataclasses import dataclass, field
from enum import StrEnum

from xapp.domain.answers import Latencies
from xapp.domain.messages import ModelInfo, Stats


@dataclass(frozen=True, slots=True)
class TasksState:
    """How the folder of tasks was read; `error` is why the last reading failed, "" when it did not.

    `num_pinned` prefixes of prompts were computed, over all models.
    """

    num_tasks: int = 0
    num_reloads: int = 0
    num_failed: int = 0
    error: str = ""
    num_pinned: int = 0


class ModelState(StrEnum):
    """Where a model is in its life."""

    AVAILABLE = "available"
    LOADING = "loading"
    READY = "ready"
    DRAINING = "draining"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """One model of this node; `info` is None unless it is loaded."""

    name: str
    state: ModelState
    is_default: bool = False
    error: str = ""
    digest: str = ""
    size_bytes: int = 0
    license: str = ""
    info: ModelInfo | None = None
    has_chat_template: bool = False
    num_restarts: int = 0
    progress: float = 0.0
    warning: str = ""


@dataclass(frozen=True, slots=True)
class DurationHistogram:
    """Durations that were seen: `counts[i]` took at most `bounds_s[i]`, and longer than the bound before it.

    The last count, one more than there are bounds, is of those that took longer than every bound.
    """

    bounds_s: tuple[float, ...] = ()
    counts: tuple[int, ...] = (0,)
    sum_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ModelSample:
    """One loaded model's state for Metrics. Rates are the caller's to derive from the counters in `stats`.

    `wait_s`: seconds that a request that came now would wait for a slot, as predicted. `budget_s`: seconds
    after its arrival that a request is due, on average.
    """

    name: str
    stats: Stats = field(default_factory=Stats)
    worker_pid: int = 0
    time_to_first_token: Latencies = Latencies()
    inter_token_latency: Latencies = Latencies()
    text_pid: int = 0
    num_text_restarts: int = 0
    time_to_first_token_histogram: DurationHistogram = DurationHistogram()
    inter_token_latency_histogram: DurationHistogram = DurationHistogram()
    num_slots: int = 0
    wait_s: float = 0.0
    budget_s: float = float("inf")
