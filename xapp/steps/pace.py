"""Pace: the number of prompt tokens in a step, beside decoding sequences.

Pace balances two demands. A running answer needs short steps, because the time of a step is the gap between
two of its tokens. A request that waits for its first token needs full steps, because small chunks waste the
capacity of a kernel.

- Nothing decodes: a large chunk, at which the node is fastest. Such a step can be interrupted (`lookout`),
  so that no urgent request waits for its end. The step ends with the first prompt where that prompt alone
  fills a kernel: prompts one after the other have earlier first tokens than prompts in parallel.
- A fixed bound (`XAPP_STEP_BUDGET_MS` is a number): the fastest chunk within it.
- `auto`: the fastest chunk within 100 ms or 2.75 decode steps, whichever is longer. Where this leaves prompts
  less than `share` of their full speed, the smallest chunk with that share, within 0.7 s. Prompts get
  full speed while several requests wait for a first token. So does a prompt whose deadline is near, and a
  prompt that stood behind others for longer than it takes itself.
- A request may have a tighter bound (`max_gap_s`). The bound holds while that request decodes, even where
  prompts slow down.
"""

from dataclasses import dataclass
from math import ceil

from xapp.steps.step_cost import StepCost

ISOLATED_CHUNK = 16
"""Most tokens of an isolated step (see Batch): a size at which kernels are fast."""
MIN_CHUNK = 4
"""Least prompt tokens of a step, so that prefill always advances."""
GAP_S = 0.1
"""A gap between two tokens that disturbs no reader, seconds."""
GAP_STEPS = 2.75
"""Alternatively so many decode steps, where that is longer."""
LONGEST_S = 0.7
"""Bound of a planned step with prompts beside answers, unless its decode part alone takes longer."""
LONGEST_ALONE_S = 2.5
"""Bound of a planned step with prompts alone, seconds. An interruption loses at most this time."""
MOST_ALONE = 192
"""Prompt tokens of such a step. A single operation of a larger step delays an interruption beyond 20 ms."""
CRUMB = 16
"""A smaller rest of a prompt gets no step of its own: a token of a small step costs more."""
SHORT_S = 0.25
"""Bound of the step after an interruption: the same prompt is not interrupted twice in a row."""
TILE = 16
"""Kernels work on so many tokens at once, or on a divisor of this number."""
MANY_STEPS = 16
"""A prompt of more steps is not cut evenly: its last step is a small part of the whole."""
NEARLY = 0.98
"""A chunk with this share of the best speed counts as best."""
ENOUGH = 0.9
"""A step ends with its first prompt where the step then has at least this share of the best speed."""
HURRY = 2.0
"""A prompt is urgent when the time to its deadline is less than its time at full speed by this factor."""
_SIZES = (1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 1024, 2048, 4096)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Prompt tokens for a step, and the predicted seconds of the step."""

    tokens: int
    seconds: float

    @property
    def rate(self) -> float:
        """Prompt tokens a second."""
        return self.tokens / self.seconds


@dataclass(frozen=True, slots=True)
class Beside:
    """The load of a step beside prompts: `num_decode` sequences that read `cells`.

    `position` is the next position of the first prompt, and `left` the number of its tokens to compute. Its
    first step came `waited_s` after its arrival. `shares_step`: the step goes on with the next prompt.
    `num_waiting` requests wait for their first token. `max_gap_s` is the tightest bound of a decoding
    request. `time_left_s` is the time to the first prompt's deadline. `interrupted`: its last step was
    interrupted.
    """

    num_decode: int
    cells: float = 0.0
    position: float = 0.0
    num_waiting: int = 1
    max_gap_s: float | None = None
    left: float = float("inf")
    shares_step: bool = False
    waited_s: float = 0.0
    time_left_s: float = float("inf")
    interrupted: bool = False


@dataclass(frozen=True, slots=True)
class Candidates:
    """The possible chunks beside a number of decoding sequences, ascending, with the figures for the choice.

    `decode_s` is the time of the step without prompts, seconds. `full` is the chunk at which prompts alone
    are fastest. Waiting requests and their deadlines change none of these figures.
    """

    chunks: list[Chunk]
    decode_s: float
    full: Chunk


@dataclass(frozen=True, slots=True)
class Pace:
    """`budget_s` is a fixed bound, None is `auto`. A step has `max_batch` tokens at most."""

    budget_s: float | None
    share: float
    max_batch: int

    def chunk(self, cost: StepCost, beside: Beside) -> int:
        """Prompt tokens for the step, at least MIN_CHUNK."""
        return self.choose(self.candidates(cost, beside), beside)

    def candidates(self, cost: StepCost, beside: Beside) -> Candidates:
        """The part of `chunk` that needs `cost`, and is slow."""
        chunks = self._chunks(cost, beside)
        if beside.num_decode == 0:
            return Candidates(chunks, 0.0, _full(chunks))
        decode_s = cost.predict(beside.num_decode, 0, beside.cells)
        alone = self._chunks(cost, Beside(0, position=beside.position))
        return Candidates(chunks, decode_s, _full(alone))

    def choose(self, candidates: Candidates, beside: Beside) -> int:
        """Like `chunk`, from candidates for the same number of decoding sequences."""
        tokens = self._beside(candidates, beside) if beside.num_decode else _alone(candidates, beside)
        return max(MIN_CHUNK, tokens)

    def _beside(self, candidates: Candidates, beside: Beside) -> int:
        bound_s, longest_s = self._bounds(candidates.decode_s, beside)
        best = _fastest(candidates.chunks, bound_s)
        if longest_s > bound_s and best.rate < (least := self._least_rate(candidates, beside)):
            best = _smallest(candidates.chunks, least, longest_s)
            return _until_first_token(candidates.chunks, best, beside, longest_s)
        return best.tokens

    def _chunks(self, cost: StepCost, beside: Beside) -> list[Chunk]:
        """The possible chunks, ascending. The step then has about a size that was measured."""
        most = self.max_batch - beside.num_decode
        measured = {*cost.rows, *_SIZES, self.max_batch}
        sizes = sorted({_tokens(cost, size, beside.num_decode) for size in measured})
        return [_chunk(cost, beside, size) for size in sizes if 0 < size <= most] or [_chunk(cost, beside, 1)]

    def _bounds(self, decode_s: float, beside: Beside) -> tuple[float, float]:
        """Seconds that a step may take, and seconds that it may take to give prompts their share."""
        if self.budget_s is not None:
            bounds = (self.budget_s, self.budget_s)
        else:
            bound_s = max(GAP_S, GAP_STEPS * decode_s)
            bounds = (bound_s, max(bound_s, LONGEST_S))
        if beside.max_gap_s is None:
            return bounds
        return min(bounds[0], beside.max_gap_s), min(bounds[1], beside.max_gap_s)

    def _least_rate(self, candidates: Candidates, beside: Beside) -> float:
        full = candidates.full.rate
        takes_s = beside.left / full
        is_late = takes_s * HURRY > beside.time_left_s
        has_priority = is_late or takes_s < beside.waited_s or beside.num_waiting > 1
        return full if has_priority else full * self.share


def _tokens(cost: StepCost, size: int, num_decode: int) -> int:
    """Prompt tokens of a step with a batch of this size."""
    return size if cost.is_apart(num_decode, size) else size - num_decode


def _alone(candidates: Candidates, beside: Beside) -> int:
    if beside.interrupted:
        return _fastest(candidates.chunks, SHORT_S).tokens
    return _until_first_token(candidates.chunks, candidates.full, beside, LONGEST_ALONE_S)


def _until_first_token(chunks: list[Chunk], largest: Chunk, beside: Beside, longest_s: float) -> int:
    """The rest of the first prompt where it fills a kernel alone, so that its first token comes early. A
    longer rest is cut evenly: a small last step costs more a token.
    """
    if beside.shares_step or beside.left == float("inf"):
        return largest.tokens
    left = ceil(beside.left)
    num_steps = max(1, -(-(left - CRUMB) // largest.tokens))
    each = -(-left // num_steps)
    if num_steps > MANY_STEPS or (each > largest.tokens and each / largest.rate > longest_s):
        return largest.tokens
    if each > largest.tokens:
        return each
    if num_steps > 1:
        return min(largest.tokens, -(-each // TILE) * TILE)
    enough = _smallest(chunks, ENOUGH * largest.rate, LONGEST_ALONE_S)
    return min(largest.tokens, max(left, enough.tokens))


def _full(chunks: list[Chunk]) -> Chunk:
    """The largest chunk that is about as fast as the fastest, without answers beside it."""
    fitting = [chunk for chunk in chunks if chunk.seconds <= LONGEST_ALONE_S and chunk.tokens <= MOST_ALONE]
    best = max((chunk.rate for chunk in fitting), default=0.0)
    return next((chunk for chunk in reversed(fitting) if chunk.rate >= NEARLY * best), chunks[0])


def _chunk(cost: StepCost, beside: Beside, tokens: int) -> Chunk:
    cells = beside.cells + tokens * (beside.position + tokens / 2)
    return Chunk(tokens, cost.predict(beside.num_decode, tokens, cells))


def _fastest(chunks: list[Chunk], within_s: float) -> Chunk:
    """The chunk with the best rate within the time; the smallest chunk where none is within it."""
    fitting = [chunk for chunk in chunks if chunk.seconds <= within_s]
    return max(fitting, key=lambda chunk: chunk.rate, default=chunks[0])


def _smallest(chunks: list[Chunk], rate: float, within_s: float) -> Chunk:
    """The first chunk with the rate within the time; the fastest chunk where there is none."""
    reaching = (chunk for chunk in chunks if chunk.rate >= rate and chunk.seconds <= within_s)
    return next(reaching, _fastest(chunks, within_s))
