"""Generate and Estimate: turns a request into tokens, and its answer into events."""

import secrets
from collections.abc import AsyncGenerator, Callable
from functools import partial
from typing import Protocol

import msgspec

from xapp.admission.admission_request import max_tokens
from xapp.admission.estimate import estimate
from xapp.admission.joins import Identity, identity_of
from xapp.domain.answers import Estimate, Event, Started
from xapp.domain.messages import MAX_SEED, SamplingParams, Submit
from xapp.domain.requests import Paired, Request
from xapp.errors import DeadlineExceeded, FailedPrecondition, InvalidArgument
from xapp.formats.guard import guard_format
from xapp.formats.prepare import Formats
from xapp.service.answer import Answer
from xapp.service.call import Calls, Target, scopes_of
from xapp.service.report import opening
from xapp.tasks.tasks import Tasks, named_after
from xapp.workers.token_stream import TokenStream


class TokenSource(Protocol):
    """Computes the tokens of an answer in another way than a worker does."""

    def start(self, target: Target, submit: Submit) -> TokenStream:
        """The tokens of the answer. Raises XappError."""
        ...

    async def aclose(self) -> None:
        """Ends all of its answers."""
        ...


class Generation:
    """The RPCs that generate text."""

    def __init__(self, calls: Calls, tasks: Tasks, formats: Formats) -> None:
        self.pair: TokenSource | None = None
        self._calls = calls
        self._tasks = tasks
        self._formats = formats

    async def generate(self, request: Request) -> AsyncGenerator[Event, None]:
        """Yields exactly one Started first and exactly one Finished last, or raises XappError.

        Closing the generator, or cancelling its consumer, cancels the request in the worker.
        """
        async with self._calls.enter(partial(self._tasks.resolve, request), _may_join) as call:
            # After admission, so that a refusal is immediate and costs nothing.
            target = call.target
            guard = await guard_format(self._formats, target.request, target.serving.codec.check)
            submit = await self._prepare(target, guard.program if guard else None)
            begun = opening(target, submit, submit.prompt)
            identity = self._identity(target.request, submit, begun)
            joins, start = target.serving.joins, self._start(target, has_format=guard is not None)
            # The tokens are computed, or belong to an identical request that already runs.
            with joins.stream(identity, target.request.prompt, submit, call.admitted, start) as stream:
                answer = _answer(target, stream, begun)
                while not answer.done:
                    for told in await answer.next():
                        if guard is None:
                            yield told
                            continue
                        for event in await guard.read(told):
                            yield event
                call.admitted.finished = answer.finished
                if answer.error is not None:
                    raise answer.error

    def _start(self, target: Target, *, has_format: bool) -> Callable[[Submit], TokenStream]:
        """What computes the tokens: the worker, or two models together.

        Raises InvalidArgument; FailedPrecondition, reason NO_BIG_MODEL.
        """
        if not isinstance(target.request.strategy, Paired):
            return target.model.supervisor.submit
        if has_format:
            raise InvalidArgument("strategy", "an answer of two models cannot be held to a format")
        sampling = target.request.sampling
        if sampling.top_log_probabilities is not None or sampling.max_reasoning_tokens is not None:
            text = "an answer of two models has neither log-probabilities nor a limit of its reasoning"
            raise InvalidArgument("strategy", text)
        if sampling.presence_penalty or sampling.frequency_penalty or sampling.logit_bias:
            text = "an answer of two models has no presence or frequency penalty, and no logit bias"
            raise InvalidArgument("strategy", text)
        if self.pair is None:
            raise FailedPrecondition("this node has no big model: set [big] target", reason="NO_BIG_MODEL")
        return partial(self.pair.start, target)

    async def estimate(self, request: Request) -> Estimate:
        """What `generate` would take now. Runs nothing, takes no place. Raises as `generate` does."""
        target = await self._calls.find(partial(self._tasks.resolve, request, kind=None))
        return estimate(target.serving.admission, target.admission_request, await self._prepare(target))

    async def _prepare(self, target: Target, grammar: bytes | None = None) -> Submit:
        """The request in tokens, which fits the model. Raises InvalidArgument with the field."""
        request, serving, asked = target.request, target.serving, target.admission_request
        with named_after(request):
            prompt = await serving.prompts.read(request.prompt, serving.limit, request.client)
        return Submit(
            request_id=self._calls.new_id(),
            prompt=prompt,
            max_tokens=max_tokens(request, target.limits, serving.limit - len(prompt)),
            sampling=msgspec.structs.replace(_sampling(request, serving.info.vocab_size), grammar=grammar),
            ignore_eos=request.ignore_eos,
            priority=request.priority,
            arrival=asked.arrival,
            deadline=asked.deadline,
            max_gap_s=asked.max_gap_s,
            deterministic=asked.deterministic,
            strategy=target.decoding,
            **scopes_of(request),
        )

    def _identity(self, request: Request, submit: Submit, begun: Started) -> Identity | None:
        paired = isinstance(request.strategy, Paired)
        alone = request.max_gap_s is not None or request.deterministic or paired
        may_join = self._calls.settings.join_identical and not alone
        if not may_join or begun.provenance is None:
            return None
        return identity_of(submit, begun.provenance.prompt_hash, request.stop)


def _may_join(target: Target) -> bool:
    request = target.request
    alone = request.deterministic or isinstance(request.strategy, Paired)
    return not alone and target.serving.joins.know(request.scope, request.prompt)


def _answer(target: Target, stream: TokenStream, begun: Started) -> Answer:
    if target.admission_request.best_effort:
        # The client's own deadline does not wait for the end of the worker's step.
        stream.fail_at(target.admission_request.deadline, DeadlineExceeded("the answer is cut"))
    text = target.serving.codec.stream(target.request.stop)
    may_be_cut, piece = target.admission_request.best_effort, target.serving.codec.piece
    energy = partial(target.model.power.energy_of, target.model.name)
    return Answer(stream, text, begun, may_be_cut=may_be_cut, piece=piece, energy=energy)


def _sampling(request: Request, vocab_size: int) -> SamplingParams:
    """The sampling parameters with a seed: a random one where none was asked for, 0 for greedy sampling."""
    sampling = request.sampling
    if sampling.top_k > vocab_size:
        text = f"must be at most the vocabulary's {vocab_size} tokens, is {sampling.top_k}"
        raise InvalidArgument("sampling.top_k", text)
    for token, _ in sampling.logit_bias:
        if token >= vocab_size:
            text = f"token {token} is outside the vocabulary of {vocab_size} tokens"
            raise InvalidArgument("sampling.logit_bias", text)
    if sampling.temperature == 0:
        seed = 0
    else:
        seed = secrets.randbelow(MAX_SEED + 1) if request.seed is None else request.seed
    return msgspec.structs.replace(sampling, seed=seed)
