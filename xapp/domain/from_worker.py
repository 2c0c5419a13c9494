"""The messages of a worker process to the server process. All times are seconds on CLOCK_MONOTONIC."""

import msgspec

from xapp.domain.big_little import PairFigures
from xapp.domain.engine_state import Stats
from xapp.domain.finish_reason import FinishReason
from xapp.domain.model_info import ModelInfo, StepCurve, Tuning


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
    Or the hidden state that it asks for.

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
