"""The service that `server` calls: the RPCs on top of the models of this node.

Each RPC has a file (`generation`, `scoring`). Their common part is `Call`. The service knows no gRPC.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any, Self

from xapp import failpoints
from xapp.config import Settings
from xapp.domain.answers import Estimate, Event, HiddenState, ScoreResult, Tokens
from xapp.domain.embedding import EmbedRequest, EmbedResult, RerankRequest, RerankResult
from xapp.domain.kinds import Capability
from xapp.domain.power import PowerState
from xapp.domain.requests import Prompt, Request, ScoreRequest
from xapp.domain.retrieval import Retrieval
from xapp.domain.serving_policy import ServingPolicy
from xapp.domain.states import ModelSample, ModelState, ModelStatus, TasksState
from xapp.domain.task import Task
from xapp.domain.verification import Opening, Session
from xapp.errors import InvalidArgument
from xapp.formats.prepare import Formats
from xapp.served.dependencies import ModelDependencies, dependencies_for
from xapp.served.model_power import ModelPower
from xapp.served.registry import ModelRegistry
from xapp.served.serving import Serving
from xapp.service.call import Calls
from xapp.service.embedding import Embedding
from xapp.service.generation import Generation, TokenSource
from xapp.service.hidden_state import HiddenStates
from xapp.service.likelihood import Likelihood
from xapp.service.outbound import Outbound, Outbounds
from xapp.service.pins import Pins
from xapp.service.rerank import Reranking
from xapp.service.scoring import Scoring
from xapp.service.verify import Verifications
from xapp.tasks.tasks import Tasks


class NodeService:
    """Implements `domain.service.Service`. `start` first, `aclose` last; or use it as a context manager."""

    def __init__(self, settings: Settings, *, tools: ModelDependencies | None = None) -> None:
        self._settings = settings
        self._power = ModelPower.of(settings.power)
        self._registry = ModelRegistry(settings, tools or dependencies_for(settings), self._power)
        self._formats = Formats()
        self._tasks = Tasks(
            settings.tasks.dir,
            render=self._render,
            check=self._check,
            on_change=self._registry.changes.notify,
        )
        calls = self._calls = Calls(settings.admission, self._registry)
        self._generation = Generation(calls, self._tasks, self._formats)
        self._scoring = Scoring(calls, self._tasks)
        self._hidden_states = HiddenStates(calls, self._tasks)
        self._verifications = Verifications(calls)
        self._embedding = Embedding(calls, self._registry)
        likelihood = Likelihood(self._registry, self._scoring)
        self._reranking = Reranking(calls, self._registry, self._embedding, likelihood)
        self._outbounds = Outbounds(calls, self._formats)
        isolated = settings.has_credentials
        self._pins = Pins(self._registry, self._tasks, calls.new_id, isolated=isolated)
        self._draining = False

    @property
    def collections(self) -> Retrieval | None:
        """Implements Service: a node by itself has none."""
        return None

    def use_pair(self, source: TokenSource) -> None:
        """Answers requests for two models with `source`. Before `start`."""
        self._generation.pair = source

    def new_id(self) -> int:
        """A request id for a worker, used once."""
        return self._calls.new_id()

    # ---- life

    async def start(self) -> None:
        """Starts to load models and returns at once, so that health can answer.

        Raises ConfigError with the key.
        """
        self._registry.start()
        # After the registry: a worker is spawned while the files are read.
        await self._tasks.start()
        await self._power.start(self._settings.power)
        if self._settings.tasks.pin:
            self._pins.start()

    async def wait_ready(self) -> None:
        """Returns when the default model serves. Raises the error of its load, mostly a ModelError."""
        await self._registry.wait_default()

    @property
    def ready(self) -> bool:
        """Whether the default model serves and the service is not draining."""
        default = self._registry.default
        return not self._draining and default is not None and default.state is ModelState.READY

    @property
    def draining(self) -> bool:
        """Whether the service ends: new requests are refused, open ones go on."""
        return self._draining

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Calls `listener` when a model's state or `ready` may have changed.

        Returns a function that ends this.
        """
        return self._registry.changes.subscribe(listener)

    async def drain(self, grace_s: float) -> bool:
        """Refuses new requests and waits for the open requests.

        False when some are still open after `grace_s`.
        """
        self._draining = True
        self._registry.begin_drain()
        self._registry.changes.notify()
        await failpoints.reach("drain")
        try:
            async with asyncio.timeout(grace_s):
                await self._registry.wait_idle()
        except TimeoutError:
            return False
        return True

    async def aclose(self) -> None:
        """Ends every worker. Open streams fail with Unavailable. Safe to call twice."""
        self._draining = True
        await self._pins.aclose()
        if (pair := self._generation.pair) is not None:
            await pair.aclose()
        await self._registry.aclose()
        await self._tasks.aclose()
        self._power.node.close()
        self._formats.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    # ---- requests

    def generate(self, request: Request) -> AsyncGenerator[Event, None]:
        """Implements Generation.generate."""
        return self.generate_here(request)

    def generate_here(self, request: Request) -> AsyncGenerator[Event, None]:
        """`generate` with a model of this node."""
        return self._generation.generate(request)

    async def score(self, request: ScoreRequest) -> ScoreResult:
        """Implements Scoring.score."""
        return await self._scoring.score(request)

    async def hidden_state(self, request: Request) -> HiddenState:
        """Implements Introspection.hidden_state."""
        return await self._hidden_states.hidden_state(request)

    async def embed(self, request: EmbedRequest) -> EmbedResult:
        """Implements Embedding.embed."""
        return await self._embedding.embed(request)

    async def rerank(self, request: RerankRequest) -> RerankResult:
        """Implements Embedding.rerank."""
        return await self._reranking.rerank(request)

    async def open_session(self, opening: Opening) -> Session:
        """Implements Verification.open_session."""
        return await self._verifications.open_session(opening)

    async def estimate(self, request: Request) -> Estimate:
        """Implements Generation.estimate."""
        return await self._generation.estimate(request)

    async def resolve(self, request: Request) -> Request:
        """The request with the prompt that its task makes. Raises as `generate` does."""
        return await self._tasks.resolve(request)

    def outbound(self, request: Request) -> AbstractAsyncContextManager[Outbound]:
        """Counts a resolved request that another node answers. Raises as `generate` does."""
        return self._outbounds.enter(request)

    async def _render(self, request: Request, template: str, values: Mapping[str, Any]) -> str:
        """Renders a task's prompt in the text process of the request's model."""
        serving = self._serving_text(request.model, request.client)
        return await serving.prompts.render(template, values, request.client)

    async def _check(self, request: Request, pairs: Sequence[tuple[str, str]]) -> list[str]:
        """Checks inputs of a task in the text process of the request's model."""
        serving = self._serving_text(request.model, request.client)
        return await serving.prompts.check(pairs, request.client)

    async def tokenize(self, model: str, prompt: Prompt, client: str) -> Tokens:
        """The prompt of `client` in tokens, with the template applied. Raises as `generate` does."""
        serving = self._serving_text(model, client)
        return Tokens(await serving.prompts.read(prompt, serving.limit, client), serving.info.context_length)

    def detokenize(self, model: str, tokens: Sequence[int]) -> str:
        """The text of tokens. Raises InvalidArgument with field `tokens`, NotFound, Unavailable."""
        text = self._registry.find(model).require_ready().codec.stream(())
        try:
            return text.feed(tokens) + text.flush()
        except ValueError as error:
            raise InvalidArgument("tokens", str(error)) from error

    def _serving_text(self, model: str, client: str) -> Serving:
        """The model whose text process works for `client`. Raises PermissionDenied where a policy refuses."""
        found = self._registry.find(model)
        self._registry.policies.check_model(client, found.name)
        return found.require_ready()

    # ---- models

    def list_models(self) -> list[ModelStatus]:
        """All models, loaded, failed or on disk, sorted by name."""
        return self._registry.statuses()

    def get_model(self, name: str) -> ModelStatus:
        """Raises NotFound."""
        return self._registry.status(name)

    def name_for(self, needed: Capability) -> str:
        """Implements Models.name_for."""
        return self._reranking.name_for() if needed is Capability.RANK else self._registry.name_for(needed)

    def load_model(self, name: str) -> AsyncGenerator[ModelStatus, None]:
        """Yields at least one status; the last one is READY, else it raises."""
        return self._registry.load(name)

    async def unload_model(self, name: str) -> ModelStatus:
        """Drains the model and ends its worker. Raises NotFound, FailedPrecondition for the default model."""
        return await self._registry.unload(name)

    # ---- tasks

    def list_tasks(self) -> Sequence[Task]:
        """Sorted by name, then version."""
        return self._tasks.list()

    @property
    def tasks_state(self) -> TasksState:
        """The state of the folder of tasks."""
        return replace(self._tasks.state, num_pinned=self._pins.num_pinned)

    # ---- policies

    def set_policies(self, policies: Mapping[str, ServingPolicy]) -> None:
        """Puts these policies in force and no others. Open requests go on."""
        self._registry.policies.replace(policies)

    # ---- metrics

    @property
    def power_state(self) -> PowerState:
        """The meters of energy and heat."""
        return self._power.node.state

    def samples(self) -> list[ModelSample]:
        """One for each loaded model."""
        return [model.sample() for model in self._registry.models if model.serving is not None]
