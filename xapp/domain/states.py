"""The states of a node's models and tasks."""

from dataclasses import dataclass, field
from enum import StrEnum

from xapp.domain.answers import Latencies
from xapp.domain.messages import ModelInfo, Stats
from xapp.domain.power import Energy


@dataclass(frozen=True, slots=True)
class TasksState:
    """The last reading of the folder of tasks. `error` is the reason of a failure, otherwise "".

    `num_pinned` prefixes of prompts are pinned, over all models.
    """

    num_tasks: int = 0
    num_reloads: int = 0
    num_failed: int = 0
    error: str = ""
    num_pinned: int = 0


class ModelState(StrEnum):
    """The states of a model."""

    AVAILABLE = "available"
    LOADING = "loading"
    READY = "ready"
    DRAINING = "draining"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """The status of one model. `info` is None unless the model is loaded."""

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
    vocabulary: str = ""


@dataclass(frozen=True, slots=True)
class DurationHistogram:
    """A histogram of durations: `counts[i]` took at most `bounds_s[i]`, and longer than the bound before.

    The last count, one more than there are bounds, has the durations above every bound.
    """

    bounds_s: tuple[float, ...] = ()
    counts: tuple[int, ...] = (0,)
    sum_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ModelSample:
    """The state of one loaded model for Metrics. Callers derive rates from the counters in `stats`.

    `wait_s`: predicted seconds until a request that arrives now gets a slot. `budget_s`: mean seconds from
    arrival to deadline. `energy` since the model was loaded, None without a meter. `slowdown`: how many times
    as long a step takes, or soon will take, because the board lowers its clock. `prediction_s`: CPU
    seconds of predictions of lengths from prompts.
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
    energy: Energy | None = None
    slowdown: float = 1.0
    prediction_s: float = 0.0
