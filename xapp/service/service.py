"""The service: what server/ calls, on top of the models of this node.

The way of a request: find the model, take a place, tokenize, submit, and turn what comes back into
events. Knows no gRPC.
"""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Callable
from contextlib import closing
from time import monotonic
from typing import Self

import msgspec

from xapp.config import Settings
from xapp.engine.messages import SamplingParams, Submit
from xapp.errors import InvalidArgument
from xapp.service.account import Account
from xapp.service.answer import Answer
from xapp.service.models import ModelRegistry
from xapp.service.observe import NullObserver, Observer
from xapp.service.served_model import Serving
from xapp.service.tools import ModelTools, tools_for
from xapp.service.types import Event, ModelSample, ModelState, ModelStatus, Prompt, Request, Started, Tokens

MAX_SEED = 2**32 - 2


class NodeService:
    """Implements `types.Service`. `start` first, `aclose` last; or use it as a context manager."""

    def __init__(
        self, settings: Settings, *, observer: Observer | None = None, tools: ModelTools | None = None
    ) -> None:
        self._settings = settings
        self._observer = observer or NullObserver()
        self._registry = ModelRegistry(settings, tools or tools_for(settings), self._observer)
        self._draining = False
        self._last_id = 0

    # ---- life

    async def start(self) -> None:
        """Begins to load; returns at once, so that health can answer. Raises ConfigError naming the key."""
        self._registry.start()

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
        await self._registry.aclose()

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
            model = self._registry.find(request.model)
            account.model = model.name
            serving = model.require_ready()
            deadline = request.deadline
            if deadline is None:
                deadline = arrival + self._settings.default_deadline_s
            with serving.admission.enter(deadline):
                submit = await self._prepare(serving, request, arrival, deadline)
                with closing(model.supervisor.submit(submit)) as stream:
                    text = serving.codec.stream(request.stop)
                    answer = Answer(stream, text, _opening(model.name, serving, request, submit))
                    while not answer.done:
                        for event in answer.take(await stream.next()):
                            account.see(event)
                            yield event
                    if answer.error is not None:
                        raise answer.error

    async def _prepare(self, serving: Serving, request: Request, arrival: float, deadline: float) -> Submit:
        """A request in tokens that fits the model. Raises InvalidArgument naming the field."""
        info = serving.info
        limit = min(info.context_length, info.kv_cells_total)
        prompt = await serving.prompts.read(request.prompt, limit)
        self._last_id += 1
        return Submit(
            request_id=self._last_id,
            prompt=prompt,
            max_tokens=self._max_tokens(request.max_tokens, limit - len(prompt)),
            sampling=_sampling(request, info.vocab_size),
            ignore_eos=request.ignore_eos,
            priority=request.priority,
            arrival=arrival,
            deadline=deadline,
        )

    def _max_tokens(self, wanted: int | None, room: int) -> int:
        if wanted is not None and wanted < 1:
            raise InvalidArgument("max_tokens", f"must be at least 1, is {wanted}")
        most = min(room, self._settings.max_output_tokens)
        return most if wanted is None else min(wanted, most)

    async def tokenize(self, model: str, prompt: Prompt) -> Tokens:
        """A prompt in tokens, template applied. Raises as `generate` does."""
        serving = self._registry.find(model).require_ready()
        limit = min(serving.info.context_length, serving.info.kv_cells_total)
        return Tokens(await serving.prompts.read(prompt, limit), serving.info.context_length)

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
