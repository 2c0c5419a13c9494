"""What the server process and a worker process say to each other, and how it is framed.

A frame is a 4-byte big-endian length and that many bytes of MessagePack: one tagged struct.
All times are seconds on CLOCK_MONOTONIC, which both processes share.
"""

import enum
import struct
from typing import TypeAlias

import msgspec

MAX_FRAME_BYTES = 16 * 1024 * 1024
_LENGTH = struct.Struct("!I")


class FinishReason(enum.StrEnum):
    """Why a sequence ended. A worker says EXPIRED of a deadline that passed; the service makes of it the
    status DEADLINE_EXCEEDED or, for an answer that may be cut, DEADLINE.
    """

    STOP = "stop"
    LENGTH = "length"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    STUCK = "stuck"
    """The grammar allows nothing that the model can say, or takes too much work."""
    DEADLINE = "deadline"
    NO_MEMORY = "no_memory"
    """There is no room for the KV cache that a deterministic request has for itself."""


class Priority(enum.IntEnum):
    """A lower number goes first."""

    CRITICAL = 0
    INTERACTIVE = 1
    BATCH = 2


MAX_SEED = 2**32 - 2
"""The seed above means "draw a seed" to llama.cpp, and would not give the same answer twice."""


class SamplingParams(msgspec.Struct, frozen=True, array_like=True):
    """How the next token is drawn; ranges are checked before they come here.

    `grammar` is a `grammar.program.Program`, encoded: it was checked as well.
    """

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repeat_penalty: float = 1.0
    seed: int = 0
    grammar: bytes | None = None

    @property
    def greedy(self) -> bool:
        """Whether the plain argmax is the answer, or with a grammar the likeliest token that it allows."""
        return self.temperature == 0 and self.repeat_penalty == 1.0


# ---- server → worker


class Submit(msgspec.Struct, frozen=True, tag="submit"):
    """A request in tokens. `max_tokens` is at least 1 and, with the prompt, fits the context.

    With `choices` nothing is generated: each of them, at least one token, is scored as the prompt's
    continuation. `max_tokens` is then the longest one's length, and neither sampling nor ends matter.
    With `pin` the prompt is computed to stay: it is kept as a prefix that later prompts share.
    While it decodes, no step with prompts of others is planned to take longer than `max_gap_s`.
    A `deterministic` one has a KV cache and steps of its own: its answer depends on nothing else.
    Prefixes are shared within a `scope`; what is pinned in `task_scope`, unless that is "", is read as well.
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
    scope: str = ""
    task_scope: str = ""


class Cancel(msgspec.Struct, frozen=True, tag="cancel"):
    """Ends a request; it still answers with Finished(CANCELLED). Unknown ids are ignored."""

    request_id: int


class Extend(msgspec.Struct, frozen=True, tag="extend"):
    """Gives a request a later deadline; its place in the queue stays. Unknown ids are ignored."""

    request_id: int
    deadline: float


class Shutdown(msgspec.Struct, frozen=True, tag="shutdown"):
    """Ends the worker after the current step, whatever is running."""


ToWorker: TypeAlias = Submit | Cancel | Extend | Shutdown


# ---- worker → server


class Progress(msgspec.Struct, frozen=True, tag="progress"):
    """Loading goes on; `fraction` is 0 to 1."""

    fraction: float


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


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """Loaded, sized, and the self-test token came out."""

    info: ModelInfo


class Surveyed(msgspec.Struct, frozen=True, tag="surveyed"):
    """What is now known of the model's speed on this node: see Tuning."""

    tuning: Tuning


class LoadFailed(msgspec.Struct, frozen=True, tag="load_failed"):
    """The model cannot be served; the worker ends after this."""

    message: str
    reason: str = "BAD_MODEL_FILE"


class SequenceStarted(msgspec.Struct, frozen=True, array_like=True):
    """First work on a prompt."""

    request_id: int
    at: float
    num_cached_tokens: int


class SequenceFinished(msgspec.Struct, frozen=True, array_like=True):
    """Last word on a request. `first_token_at` is None when no token came."""

    request_id: int
    at: float
    reason: FinishReason
    num_cached_tokens: int
    num_completion_tokens: int
    started_at: float | None = None
    first_token_at: float | None = None


class SequenceScored(msgspec.Struct, frozen=True, array_like=True):
    """For each choice of a request the natural logarithm of each of its tokens' probability."""

    request_id: int
    log_probabilities: list[list[float]]


class StepPrices(msgspec.Struct, frozen=True, array_like=True):
    """What the seconds of a StepCurve are multiplied by on this node now, and the price of a cell that the
    attention of a token reads, seconds.
    """

    scale: float = 1.0
    cell_s: float = 0.0


class Stats(msgspec.Struct, frozen=True, array_like=True):
    """The engine's state after a step; the `total_` counters only grow.

    `prices` is what it predicts steps from. `num_prefill_left`: prompt tokens that running
    sequences have still to compute. `num_paused` of those waiting had a slot and kept their cells.
    `kv_cells_parked`: tokens of computed prefixes that wait in ordinary memory, beside the cells.
    `total_interrupted` counts steps that ended before they were computed.
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


class StepEvents(msgspec.Struct, tag="step"):
    """All that one step brought. `tokens` is flat: request_id, token, request_id, token …
    `curve` is what steps take, said anew when it has changed.

    Order within a request: its SequenceStarted, then tokens or its SequenceScored, then its
    SequenceFinished; a message is read in that order.
    """

    tokens: list[int] = []
    started: list[SequenceStarted] = []
    finished: list[SequenceFinished] = []
    stats: Stats | None = None
    scored: list[SequenceScored] = []
    curve: StepCurve | None = None


FromWorker: TypeAlias = Progress | Ready | Surveyed | LoadFailed | StepEvents

_encoder = msgspec.msgpack.Encoder()
_to_worker = msgspec.msgpack.Decoder(ToWorker)
_from_worker = msgspec.msgpack.Decoder(FromWorker)


def encode(message: msgspec.Struct) -> bytes:
    """One frame."""
    body = _encoder.encode(message)
    return _LENGTH.pack(len(body)) + body


class FrameBuffer:
    """Cuts a byte stream into frame bodies. Raises ValueError on a frame over MAX_FRAME_BYTES."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Adds bytes and returns the bodies that are now whole, in order."""
        if not self._data and len(data) >= _LENGTH.size and _LENGTH.unpack_from(data)[0] == len(data) - 4:
            return [data[_LENGTH.size :]]  # one whole frame: nearly every time
        self._data += data
        bodies = []
        start = 0
        while len(self._data) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._data, start)
            if length > MAX_FRAME_BYTES:
                raise ValueError(f"frame of {length} bytes exceeds {MAX_FRAME_BYTES}")
            end = start + _LENGTH.size + length
            if len(self._data) < end:
                break
            bodies.append(bytes(self._data[start + _LENGTH.size : end]))
            start = end
        if start:
            del self._data[:start]
        return bodies


def decode_to_worker(body: bytes) -> ToWorker:
    """Raises msgspec.ValidationError when the body is no such message."""
    message: ToWorker = _to_worker.decode(body)
    return message


def decode_from_worker(body: bytes) -> FromWorker:
    """Raises msgspec.ValidationError when the body is no such message."""
    message: FromWorker = _from_worker.decode(body)
    return message
