"""The paths of the port. `METHODS` has the name of each path in access policies."""

import time
from collections.abc import Callable

import msgspec
from aiohttp import web

from xapp import logs
from xapp.domain.service import Service
from xapp.errors import NotFound
from xapp.gateway.answer_objects import CHAT, COMPLETION, Form
from xapp.gateway.answering import Answering
from xapp.gateway.bodies import Bodies
from xapp.gateway.chat_request import read_chat
from xapp.gateway.completion_request import read_completion
from xapp.gateway.model_objects import answers, model
from xapp.gateway.sampling_fields import Ask
from xapp.gateway.to_request import Asker
from xapp.gateway.token_requests import read_detokenize, read_tokenize
from xapp.security import principal
from xapp.security.access import MODELS, Access
from xapp.security.audit import note
from xapp.security.permission import Asked, check_request

HEALTH_PATH = "/health"
METHODS = {
    "/v1/chat/completions": "Generate",
    "/v1/completions": "Generate",
    "/v1/models": "ListModels",
    "/v1/models/{id}": "GetModel",
    "/v1/audio/speech": "Synthesize",
    "/v1/audio/transcriptions": "Recognize",
    "/tokenize": "Tokenize",
    "/detokenize": "Tokenize",
}


class Routes:
    """The handlers. Guards ran before them; their errors become the dialect's in `guards`."""

    def __init__(self, service: Service, access: Access, answering: Answering, bodies: Bodies) -> None:
        self._service = service
        self._access = access
        self._answering = answering
        self._bodies = bodies
        self._created = int(time.time())

    def table(self) -> list[web.RouteDef]:
        """All paths."""
        return [
            web.post("/v1/chat/completions", self.chat),
            web.post("/v1/completions", self.completion),
            *self._of_models(),
            web.post("/tokenize", self.tokenize),
            web.post("/detokenize", self.detokenize),
            web.get(HEALTH_PATH, self.health),
        ]

    def _of_models(self) -> list[web.RouteDef]:
        if self._access.is_closed(MODELS):
            return []
        return [web.get("/v1/models", self.models), web.get("/v1/models/{id:.+}", self.model)]

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/chat/completions."""
        return await self._answer(request, read_chat, CHAT)

    async def completion(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/completions."""
        return await self._answer(request, read_completion, COMPLETION)

    async def _answer(
        self, request: web.Request, read: Callable[[bytes, Asker], Ask], form: Form
    ) -> web.StreamResponse:
        asker = Asker(principal.current.get(), request.headers, logs.correlation_id.get())
        ask = read(await self._bodies.read(request), asker)
        logs.correlation_id.set(ask.request.correlation_id)
        task = ask.request.task
        # The class of a task counts only where the request names none.
        priority = ask.request.priority.name.lower()
        if task is not None and task.priority is None:
            priority = ""
        retrieval = ask.request.retrieval
        collection = retrieval.collection if retrieval else ""
        self._check(Asked(ask.request.model, task.name if task else "", priority, collection=collection))
        return await self._answering.answer(request, ask, form)

    def _check(self, asked: Asked) -> None:
        check_request(self._access.policy, principal.current.get(), self._service, asked)

    async def models(self, request: web.Request) -> web.Response:
        """GET /v1/models: those that answer now and that the caller may use."""
        policy, caller = self._access.policy, principal.current.get()
        ready = [each for each in self._service.list_models() if answers(each)]
        data = [model(each, self._created) for each in ready if policy.allows_model(caller, each.name)]
        return _json({"object": "list", "data": data})

    async def model(self, request: web.Request) -> web.Response:
        """GET /v1/models/{id}."""
        name = request.match_info["id"]
        note(name=name)
        self._access.policy.check_model(principal.current.get(), [name])
        status = self._service.get_model(name)
        if not answers(status):
            raise NotFound(f"{name[:128]!r} is not loaded", reason="MODEL_NOT_LOADED")
        return _json(model(status, self._created))

    async def tokenize(self, request: web.Request) -> web.Response:
        """POST /tokenize."""
        name, prompt = read_tokenize(await self._bodies.read(request))
        self._check(Asked(name, priority=None))
        tokens = await self._service.tokenize(name, prompt, principal.current.get().name)
        fields = {"count": len(tokens.ids), "max_model_len": tokens.context_length}
        return _json(fields | {"tokens": tokens.ids})

    async def detokenize(self, request: web.Request) -> web.Response:
        """POST /detokenize."""
        fields = read_detokenize(await self._bodies.read(request))
        self._check(Asked(fields.model, priority=None))
        return _json({"prompt": self._service.detokenize(fields.model, fields.tokens)})

    async def health(self, request: web.Request) -> web.Response:
        """GET /health: 200 while the default model serves."""
        ready = self._service.ready
        return web.json_response({"status": "ok" if ready else "not ready"}, status=200 if ready else 503)


def _json(value: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")
