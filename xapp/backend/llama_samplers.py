"""Makes the sampler of a request: what it draws from, and what holds it back."""

from functools import cached_property

from xapp.backend.base import Sampler
from xapp.backend.constraint import Constraint, Machines
from xapp.backend.llama_grammar import GrammarSampler
from xapp.backend.llama_pieces import Pieces
from xapp.backend.llama_sampler import GREEDY, ChainSampler
from xapp.backend.reasoning_budget import ReasoningBudget, closing_tokens
from xapp.backend.reporting import Reporting
from xapp.domain.messages import SamplingParams


class Samplers:
    """Samplers for one model, whose tokens are `pieces`."""

    def __init__(self, pieces: Pieces, vocab_size: int) -> None:
        self._pieces = pieces
        self._vocab_size = vocab_size
        self._machines = Machines()

    def new(self, params: SamplingParams, prompt: list[int], scope: str = "") -> Sampler:
        """See Backend.new_sampler."""
        sampler = self._held(params, prompt, scope)
        budget = params.max_reasoning_tokens
        if budget is not None and self._closing:
            sampler = ReasoningBudget(
                sampler, self._pieces.piece, self._closing, budget=budget, prompt=prompt
            )
        wanted = params.top_log_probabilities
        return sampler if wanted is None else Reporting(sampler, wanted)

    @cached_property
    def _closing(self) -> list[int]:
        """The tokens that close reasoning, found at the first use: it takes about 1 µs a token."""
        return closing_tokens(map(self._pieces.piece, range(self._pieces.size)))

    def _held(self, params: SamplingParams, prompt: list[int], scope: str) -> Sampler:
        chain = None if params.greedy else ChainSampler(params, prompt, self._vocab_size)
        if params.grammar is None:
            return chain or GREEDY
        machine = self._machines.get(params.grammar, scope)
        constraint = Constraint(machine, self._pieces.piece, self._pieces.ends.__contains__)
        return GrammarSampler(constraint, self._pieces, params, chain)
