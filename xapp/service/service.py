"""The service: what server/ calls, on top of the models of this node.

The way of a request: find the model, take a place, tokenize, submit, and turn what comes back into
events. Knows no gRPC.
"""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from time import monotonic
from typing import Any, Self

import msgspec

from xapp.admission.asks import ask_for, max_tokens
from xapp.admission.estimate import estimate
from xapp.admission.tickets import Ask
from xapp.config import Settings
from xapp.domain.answers import Estimate, Event, ScoreResult, Started, Tokens
from xapp.domain.messages import SamplingParams, Submit
from xapp.domain.requests import Prompt, Request, ScoreRequest
from xapp.domain.states import ModelSample, ModelState, ModelStatus, TasksState
from xapp.domain.task import Task
from xapp.errors import DeadlineExceeded, InvalidArgument
from xapp.formats.held import hold
from xapp.formats.prepare import Formats
from xapp.service.account import Account
from xapp.service.answer import Answer
from xapp.service.join import Identity, identity_of
from xapp.service.models import ModelRegistry
from xapp.service.pins import Pins
from xapp.service.provenance import provenance
from xapp.service.score import cut, outcome, score_choices
from xapp.service.score_run import begun, ended, last_word, submission
from xapp.service.served_model import Serving
from xapp.service.tools import ModelTools, tools_for
from xapp.tasks.tasks import Tasks, named_after
from xapp.telemetry.observe import NullObserver, Observer

MAX_SEED = 2**32 - 2


class NodeService:
    """Implements `types.Service`. `start` first, `aclose` last; or use it as a context manager."""

    def __init__(
        self, settings: Settings, *, observer: Observer | None = None, tools: ModelTools | None = None
    ) -> None:
        self._settings = settings
        self._observer = observer or NullObserver()
        self._registry = ModelRegistry(settings, tools or tools_for(settings), self._observer)
        self._formats = Formats()
        self._tasks = Tasks(settings.tasks_dir, render=self._render, on_change=self._registry.changes.notify)
        self._pins = Pins(self._registry, self._tasks, self._new_id)
        self._draining = False
        self._last_id = 0

    # ---- life

    async def start(self) -> None:
        """Begins to load; returns at once, so that health can answer. Raises ConfigError naming the key."""
        self._registry.start()
        # After it: a worker is spawned while the files are read.
        await self._tasks.start()
        if self._settings.pin_tasks and self._settings.prefix_cache:
            self._pins.start()

    async def wait_ready(self) -> None:
        """Returns when the default model serves. Raises what its load ended with, a ModelError mostly."""
        await self._registry.wait_default()

    @property
    def ready(self) -> bool:
        """Whether the default model serves and the service is not draining."""
        default = self._registry.default
        return not self._draining and default is not None and default.state is ModelState.READY

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Calls `listener` when a model's state or `ready` may have changed; returns what ends that."""
        return self._registry.changes.subscribe(listener)

    async def drain(self, grace_s: float) -> bool:
        """Takes no more requests and waits for the open ones; False when some are still open after that."""
        self._draining = True
        self._registry.begin_drain()
        self._registry.changes.notify()
        try:
            async with asyncio.timeout(grace_s):
                await self._registry.wait_idle()
        except TimeoutError:
            return False
        return True

    async def aclose(self) -> None:
        """Ends every worker; streams still open end with Unavailable. Safe to call twice."""
        self._draining = True
        await self._pins.aclose()
        await self._registry.aclose()
        await self._tasks.aclose()
        self._formats.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    # ---- requests

    async def generate(self, request: Request) -> AsyncGenerator[Event, None]:
        """Exactly one Started first, exactly one Finished last, else it raises XappError.

        Closing the generator, or cancelling its consumer, cancels the request in the worker.
        """
        arrival = monotonic()
        with Account(self._observer) as account:
            request = await self._tasks.resolve(request)
            model = self._registry.find(request.model)
            account.model = model.name
            serving = model.require_ready()
            ask = ask_for(request, self._settings, serving.limit, arrival)
            may_join = not request.deterministic and serving.joins.know(request.prompt)
            with serving.admission.enter(ask, may_join=may_join) as place:
                # After admission: who is refused is refused at once, and costs nothing.
                held = await hold(self._formats, request)
                submit = await self._prepare(serving, request, ask, held.program if held else None)
                opening = _opening(model.name, serving, request, submit)
                identity = self._identity(request, submit, opening)
                with serving.joins.stream(
                    identity, request.prompt, submit, place, model.supervisor.submit
                ) as stream:
                    text = serving.codec.stream(request.stop)
                    if ask.best_effort:
                        # The caller's own clock will not wait for the worker's step to end.
                        stream.fail_at(ask.deadline, DeadlineExceeded("the answer is cut"))
                    answer = Answer(stream, text, opening, may_be_cut=ask.best_effort)
                    while not answer.done:
                        for told in await answer.next():
                            event = told if held is None else await held.see(told)
                            account.see(event)
                            yield event
                    place.finished = answer.finished
                    if answer.error is not None:
                        raise answer.error

    async def score(self, request: ScoreRequest) -> ScoreResult:
        """How likely each choice is. Cancelling the caller cancels the request in the worker.

        Raises as `generate` does; InvalidArgument names a choice that does not fit.
        """
        arrival = monotonic()
        with Account(self._observer) as account:
            request = await self._tasks.resolve_score(request)
            model = self._registry.find(request.request.model)
            account.model = model.name
            serving = model.require_ready()
            # To admission it is a prompt with nothing to generate.
            alike = replace(request.request, max_tokens=1, ignore_eos=True)
            ask = ask_for(alike, self._settings, serving.limit, arrival)
            with serving.admission.enter(ask) as place:
                with named_after(alike):
                    prompt, wholes = await serving.prompts.read_choices(
                        alike.prompt, request.choices, serving.limit, alike.client
                    )
                parts = cut(prompt, wholes, serving.limit)
                place.tokenized(parts.to_compute, 1)
                submit = submission(self._new_id(), parts, ask)
                with closing(model.supervisor.submit(submit)) as stream, place.following(stream):
                    end = await last_word(stream)
                    made_by = provenance(serving, alike.task_label, prompt, seed=0)
                    started = begun(request, submit, end, model.name, made_by)
                    account.see(started)
                    place.finished = ended(submit, end)
                    account.see(place.finished)
                    scored = score_choices(
                        request, parts.choices, stream.log_probabilities, serving.codec.piece
                    )
                    return outcome(request, scored, started, place.finished)

    async def estimate(self, request: Request) -> Estimate:
        """What `generate` would take now. Runs nothing, takes no place. Raises as `tokenize` does."""
        arrival = monotonic()
        request = await self._tasks.resolve(request, kind=None)
        serving = self._registry.find(request.model).require_ready()
        ask = ask_for(request, self._settings, serving.limit, arrival)
        submit = await self._prepare(serving, request, ask)
        return estimate(serving.admission, ask, submit)

    async def _prepare(
        self, serving: Serving, request: Request, ask: Ask, grammar: bytes | None = None
    ) -> Submit:
        """A request in tokens that fits the model. Raises InvalidArgument naming the field."""
        with named_after(request):
            prompt = await serving.prompts.read(request.prompt, serving.limit, request.client)
        return Submit(
            request_id=self._new_id(),
            prompt=prompt,
            max_tokens=max_tokens(request, self._settings, serving.limit - len(prompt)),
            sampling=msgspec.structs.replace(_sampling(request, serving.info.vocab_size), grammar=grammar),
            ignore_eos=request.ignore_eos,
            priority=request.priority,
            arrival=ask.arrival,
            deadline=ask.deadline,
            max_gap_s=ask.max_gap_s,
            deterministic=ask.deterministic,
        )

    async def _render(self, request: Request, template: str, values: Mapping[str, Any]) -> str:
        """A task's prompt, by the text process of the model that will read it."""
        serving = self._registry.find(request.model).require_ready()
        return await serving.prompts.render(template, values, request.client)

    def _identity(self, request: Request, submit: Submit, opening: Started) -> Identity | None:
        alone = request.max_gap_s is not None or request.deterministic
        may_join = self._settings.join_identical and not alone
        if not may_join or opening.provenance is None:
            return None
        return identity_of(submit, opening.provenance.prompt_hash, request.stop)

    def _new_id(self) -> int:
        self._last_id += 1
        return self._last_id

    async def tokenize(self, model: str, prompt: Prompt) -> Tokens:
        """A prompt in tokens, template applied. Raises as `generate` does."""
        serving = self._registry.find(model).require_ready()
        return Tokens(await serving.prompts.read(prompt, serving.limit), serving.info.context_length)

    # ---- models

    def list_models(self) -> list[ModelStatus]:
        """Sorted by name: loaded, failed, and those on disk."""
        return self._registry.statuses()

    def get_model(self, name: str) -> ModelStatus:
        """Raises NotFound."""
        return self._registry.status(name)

    def load_model(self, name: str) -> AsyncGenerator[ModelStatus, None]:
        """Yields at least one status; the last one is READY, else it raises."""
        return self._registry.load(name)

    async def unload_model(self, name: str) -> ModelStatus:
        """Drains, ends the worker. Raises NotFound, FailedPrecondition for the default."""
        return await self._registry.unload(name)

    # ---- tasks

    def list_tasks(self) -> Sequence[Task]:
        """Sorted by name, then version."""
        return self._tasks.list()

    @property
    def tasks_state(self) -> TasksState:
        """How their folder was read."""
        return replace(self._tasks.state, num_pinned=self._pins.num_pinned)

    # ---- metrics

    def samples(self) -> list[ModelSample]:
        """One for each loaded model."""
        return [model.sample() for model in self._registry.models if model.serving is not None]


def _opening(name: str, serving: Serving, request: Request, submit: Submit) -> Started:
    """What is known of Started before the worker starts."""
    return Started(
        model=name,
        model_digest=serving.digest,
        num_prompt_tokens=len(submit.prompt),
        num_cached_tokens=0,
        queue_s=0.0,
        seed=submit.sampling.seed,
        correlation_id=request.correlation_id,
        provenance=provenance(serving, request.task_label, submit.prompt, submit.sampling.seed),
    )


def _sampling(request: Request, vocab_size: int) -> SamplingParams:
    """With a seed that is drawn when none was asked for; 0 where nothing is drawn at all."""
    sampling = request.sampling
    if sampling.top_k > vocab_size:
        text = f"must be at most the vocabulary's {vocab_size} tokens, is {sampling.top_k}"
        raise InvalidArgument("sampling.top_k", text)
    if sampling.temperature == 0:
        seed = 0
    else:
        seed = secrets.randbelow(MAX_SEED + 1) if request.seed is None else request.seed
    return msgspec.structs.replace(sampling, seed=seed)
