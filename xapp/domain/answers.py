"""Answers to callers: events of a stream, estimates, scores, tokens. Times are seconds."""

from dataclasses import dataclass
from typing import TypeAlias

from xapp.domain.big_little import PairFigures
from xapp.domain.grounding import Source
from xapp.domain.messages import FinishReason
from xapp.domain.power import Energy
from xapp.domain.routing import Routed


@dataclass(frozen=True, slots=True)
class Provenance:
    """The inputs that determine an answer; hashes are "sha256:" and hexadecimal. `output_hash` is set at
    the end.

    `model_origin` is the digest of the file that the model's file was derived from, if it was derived here.
    """

    model_digest: str
    task: str
    prompt_hash: str
    seed: int
    build: str
    output_hash: str = ""
    model_origin: str = ""


@dataclass(frozen=True, slots=True)
class TokenScore:
    """A token, its bytes, and the natural logarithm of its probability."""

    token: int
    text: bytes
    log_probability: float


@dataclass(frozen=True, slots=True)
class DrawnToken:
    """A token of an answer, and the most likely tokens in its place, the likeliest first."""

    score: TokenScore
    top: tuple[TokenScore, ...] = ()


@dataclass(frozen=True, slots=True)
class Started:
    """First event of a stream.

    `joined`: the answer is that of an identical request that was already running. `in_reasoning`: the prompt
    opens the model's reasoning, so that the answer begins within it. `routed` is None
    where no upstream could have answered. `sources` are the passages in the prompt.
    """

    model: str
    model_digest: str
    num_prompt_tokens: int
    num_cached_tokens: int
    queue_s: float
    seed: int
    correlation_id: str
    provenance: Provenance | None = None
    joined: bool = False
    in_reasoning: bool = False
    routed: Routed | None = None
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A piece of the call `index` of an answer. The first piece has `id` and `name`, the others "".

    The `arguments` of all pieces together are the text of a JSON object.
    """

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Whole characters or pieces of tool calls, and the tokens that they consist of.

    `drawn` has these tokens where the request asks for log-probabilities. `reasoning` is text of the model's
    reasoning, which an edge may tell from the answer.
    """

    text: str
    num_tokens: int
    drawn: tuple[DrawnToken, ...] = ()
    tool_calls: tuple[ToolCallDelta, ...] = ()
    reasoning: str = ""


@dataclass(frozen=True, slots=True)
class Finished:
    """Last event of a stream. `format_complete` is None without a format. `num_accepted` of `num_drafted`
    drafts in `num_draft_steps` steps were right. `gain` is that of SequenceFinished. `pair`: what an
    answer of two models took. `routed` as in Started. `cited`: numbers of the sources that the answer cites.
    `abstained`: nothing was found to answer with. `energy` is None where no meter measured it. `stop_text` is
    the stop text that ended the answer; "" for any other end.
    """

    reason: FinishReason
    num_prompt_tokens: int
    num_cached_tokens: int
    num_completion_tokens: int
    queue_s: float
    prefill_s: float
    decode_s: float
    time_to_first_token_s: float
    format_complete: bool | None = None
    provenance: Provenance | None = None
    num_drafted: int = 0
    num_accepted: int = 0
    num_draft_steps: int = 0
    gain: float = 1.0
    num_reasoning_tokens: int = 0
    pair: PairFigures | None = None
    routed: Routed | None = None
    cited: tuple[int, ...] = ()
    abstained: bool = False
    energy: Energy | None = None
    stop_text: str = ""


Event: TypeAlias = Started | Chunk | Finished


@dataclass(frozen=True, slots=True)
class Latencies:
    """p50, p95, p99 in seconds; None without an observation in the window."""

    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


@dataclass(frozen=True, slots=True)
class Estimate:
    """The predicted times of a request. Percentiles are p50 and p95, in seconds from now.

    `reason` is "" when the request would be admitted, otherwise the reason of the refusal.
    """

    num_prompt_tokens: int
    num_completion_tokens: int
    queue: Latencies
    time_to_first_token: Latencies
    completion: Latencies
    reason: str = ""
    retry_after_s: float | None = None

    @property
    def admitted(self) -> bool:
        """Whether the request would be admitted."""
        return not self.reason


@dataclass(frozen=True, slots=True)
class HiddenState:
    """What the model of this digest makes of the last token of a prompt, before it becomes probabilities."""

    model_digest: str
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ChoiceScore:
    """One choice: its log-probability, its score for the comparison, and the softmax over all scores."""

    choice: str
    log_probability: float
    num_tokens: int
    score: float
    probability: float
    tokens: tuple[TokenScore, ...] = ()


@dataclass(frozen=True, slots=True)
class ScoreResult:
    """`choices` in the given order.

    `winner` is an index, None when `margin` is below the requested margin.
    """

    started: Started
    finished: Finished
    choices: tuple[ChoiceScore, ...]
    winner: int | None
    margin: float


@dataclass(frozen=True, slots=True)
class Tokens:
    """A prompt as the model sees it."""

    ids: list[int]
    context_length: int
