"""The messages between the server process and a worker process; `frames` transports them.

All times are seconds on CLOCK_MONOTONIC, which both processes share.
"""

from typing import TypeAlias

import msgspec

from xapp.domain.big_little import PairFigures
from xapp.domain.decoding import PLAIN, Decoding
from xapp.domain.finish_reason import FinishReason
from xapp.domain.frames import MAX_FRAME_BYTES, FrameBuffer, encode
from xapp.domain.model_info import ModelInfo, Shard, StepCurve, StepTrial, Tuning, TuningSource
from xapp.domain.priority import Priority
from xapp.domain.sampling import MAX_SEED, SamplingParams

__all__ = [
    "END_OF_ANSWER",
    "MAX_FRAME_BYTES",
    "MAX_SEED",
    "Cancel",
    "Drafts",
    "Embed",
    "Extend",
    "FinishReason",
    "FrameBuffer",
    "FromWorker",
    "LoadFailed",
    "ModelInfo",
    "Priority",
    "Progress",
    "Ready",
    "SamplingParams",
    "SequenceEmbedded",
    "SequenceFinished",
    "SequenceScored",
    "SequenceStarted",
    "Shard",
    "Shutdown",
    "Stats",
    "StepCurve",
    "StepEvents",
    "StepPrices",
    "StepTrial",
    "Submit",
    "Surveyed",
    "ToWorker",
    "TokenReport",
    "Tuning",
    "TuningSource",
    "decode_from_worker",
    "decode_to_worker",
    "encode",
]

# ---- server → worker


END_OF_ANSWER = -1
"""In the result of a verification: any token that ends an answer."""


class Drafts(msgspec.Struct, frozen=True, array_like=True):
    """Tokens of another model to check, at most MAX_DRAFTS; may be empty.

    `exact`: draw until a drawn token differs from the draft. Otherwise the likeliest token of each place and
    the log-probability of each draft.
    """

    drafts: list[int]
    exact: bool = True


class Embed(msgspec.Struct, frozen=True, array_like=True):
    """Texts in tokens to turn into vectors, at least one. None of them is empty.

    A vector has the first `dimensions` numbers of the model's vector; 0: all of them. A `normalized` vector
    has the length 1.
    """

    texts: list[list[int]]
    dimensions: int = 0
    normalized: bool = True


class Submit(msgspec.Struct, frozen=True, tag="submit"):
    """A request in tokens. `max_tokens` is at least 1 and, with the prompt, fits the context.

    With `choices` nothing is generated: each choice, at least one token, is scored as a continuation of the
    prompt. `max_tokens` is then the length of the longest choice, and sampling and stop tokens have no
    effect. With `verify` nothing is generated either: drafts behind the prompt are checked, `max_tokens` is
    1. Places of the answer whose drawn token had a lower probability than `doubt_below`, 0 to 1, are
    reported; this needs greedy sampling. A request that `continues` another one is no first token to its
    caller. With `pin` the prompt is computed and kept as a prefix that later
    prompts share. While the request decodes, no step with other prompts is planned to take longer than
    `max_gap_s`. A
    `deterministic` request has a KV cache and steps of its own: its answer depends on nothing else.
    `strategy` decides how the answer is decoded, not its content. Prefixes are shared within `scope`.
    Pinned prefixes of `task_scope`, unless that is "", are used as well. `turn`: when its turn comes
    within its class; None is its deadline. With `embed` nothing is generated: each text becomes a vector.
    `prompt` is then the longest of the texts, and `max_tokens` is 1.
    """

    request_id: int
    prompt: list[int]
    max_tokens: int
    sampling: SamplingParams = SamplingParams()
    ignore_eos: bool = False
    priority: Priority = Priority.INTERACTIVE
    arrival: float = 0.0
    deadline: float | None = None
    choices: list[list[int]] = []
    pin: bool = False
    max_gap_s: float | None = None
    deterministic: bool = False
    strategy: Decoding = PLAIN
    scope: str = ""
    task_scope: str = ""
    verify: Drafts | None = None
    continues: bool = False
    doubt_below: float = 0.0
    turn: float | None = None
    embed: Embed | None = None


class Cancel(msgspec.Struct, frozen=True, tag="cancel"):
    """Ends a request; it still answers with Finished(CANCELLED). Unknown ids are ignored."""

    request_id: int


class Extend(msgspec.Struct, frozen=True, tag="extend"):
    """Postpones a request's deadline without changing its place in the queue. Unknown ids are ignored."""

    request_id: int
    deadline: float


class Shutdown(msgspec.Struct, frozen=True, tag="shutdown"):
    """Ends the worker after the current step, whatever is running."""


ToWorker: TypeAlias = Submit | Cancel | Extend | Shutdown


# ---- worker → server


class Progress(msgspec.Struct, frozen=True, tag="progress"):
    """Progress of the load; `fraction` is 0 to 1."""

    fraction: float


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The model is loaded, sized, and has passed its self-test."""

    info: ModelInfo


class Surveyed(msgspec.Struct, frozen=True, tag="surveyed"):
    """The measured speed of the model on this node: see Tuning."""

    tuning: Tuning


class LoadFailed(msgspec.Struct, frozen=True, tag="load_failed"):
    """The model cannot be served; the worker ends after this."""

    message: str
    reason: str = "BAD_MODEL_FILE"


class SequenceStarted(msgspec.Struct, frozen=True, array_like=True):
    """The worker started with a prompt."""

    request_id: int
    at: float
    num_cached_tokens: int


class SequenceFinished(msgspec.Struct, frozen=True, array_like=True):
    """The final event of a request. `first_token_at` is None without a token. `num_accepted` of
    `num_drafted` drafts in `num_draft_steps` steps were right. `gain`: the predicted time of its decode
    steps without drafts, divided by the time that they took with drafts. `pair`: what an answer of
    two models took. `steps_s`: the request's part of the steps' time, by its share of each step's tokens;
    `all_steps_s`: the whole time of steps since it started.
    """

    request_id: int
    at: float
    reason: FinishReason
    num_cached_tokens: int
    num_completion_tokens: int
    started_at: float | None = None
    first_token_at: float | None = None
    num_drafted: int = 0
    num_accepted: int = 0
    num_draft_steps: int = 0
    gain: float = 1.0
    pair: PairFigures | None = None
    steps_s: float = 0.0
    all_steps_s: float = 0.0


class SequenceScored(msgspec.Struct, frozen=True, array_like=True):
    """For each choice of a request: the natural logarithm of the probability of each of its tokens.

    Of a verification: `tokens` has the model's token at each place, up to the first wrong draft where the
    check is exact, and END_OF_ANSWER for the end. `log_probabilities` has one list, that of the drafts.
    """

    request_id: int
    log_probabilities: list[list[float]]
    tokens: list[int] = []


class SequenceEmbedded(msgspec.Struct, frozen=True, array_like=True):
    """The vectors of the next texts of a request, in order: float32 of this machine, one after the other.

    With `whole`, these are the last.
    """

    request_id: int
    vectors: bytes
    whole: bool


class TokenReport(msgspec.Struct, frozen=True, array_like=True):
    """The natural logarithms of the model's probabilities at one drawn token of a request: of the token
    itself, and of the most likely tokens, as pairs.
    """

    request_id: int
    log_probability: float
    top: list[tuple[int, float]]


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


class StepEvents(msgspec.Struct, tag="step"):
    """All events of one step. `tokens` is flat: request_id, token, request_id, token …
    `curve` is the present curve of step times, set when it has changed. `reports` has one entry for each
    token of the requests that ask for reports, in the order of the tokens. `doubts` is flat as well:
    request_id, place in the answer from 0. A doubt comes with its token.

    Order within a request: its SequenceStarted, then tokens, its SequenceScored or its vectors, then its
    SequenceFinished. A message is read in that order.
    """

    tokens: list[int] = []
    started: list[SequenceStarted] = []
    finished: list[SequenceFinished] = []
    stats: Stats | None = None
    scored: list[SequenceScored] = []
    curve: StepCurve | None = None
    reports: list[TokenReport] = []
    doubts: list[int] = []
    embedded: list[SequenceEmbedded] = []


FromWorker: TypeAlias = Progress | Ready | Surveyed | LoadFailed | StepEvents

_to_worker = msgspec.msgpack.Decoder(ToWorker)
_from_worker = msgspec.msgpack.Decoder(FromWorker)


def decode_to_worker(body: bytes) -> ToWorker:
    """Raises msgspec.ValidationError for an invalid body."""
    message: ToWorker = _to_worker.decode(body)
    return message


def decode_from_worker(body: bytes) -> FromWorker:
    """Raises msgspec.ValidationError for an invalid body."""
    message: FromWorker = _from_worker.decode(body)
    return message
