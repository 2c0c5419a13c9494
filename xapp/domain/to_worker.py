"""The messages of the server process to a worker process. All times are seconds on CLOCK_MONOTONIC."""

import msgspec

from xapp.domain.decoding import PLAIN, Decoding
from xapp.domain.priority import Priority
from xapp.domain.sampling import SamplingParams

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
    `prompt` is then the longest of the texts, and `max_tokens` is 1. With `hidden_state` nothing is generated
    either: the result is the hidden state of the prompt's last token, and `max_tokens` is 1.
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
    hidden_state: bool = False


class Cancel(msgspec.Struct, frozen=True, tag="cancel"):
    """Ends a request; it still answers with Finished(CANCELLED). Unknown ids are ignored."""

    request_id: int


class Extend(msgspec.Struct, frozen=True, tag="extend"):
    """Postpones a request's deadline without changing its place in the queue. Unknown ids are ignored."""

    request_id: int
    deadline: float


class Shutdown(msgspec.Struct, frozen=True, tag="shutdown"):
    """Ends the worker after the current step, whatever is running."""
