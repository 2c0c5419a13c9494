"""What the web page asks of the node beside OpenAI's dialect: live view, tasks, loading of models."""

from contextlib import aclosing

import msgspec
from aiohttp import web

from xapp.domain.service import Service
from xapp.errors import PermissionDenied
from xapp.gateway.node_objects import model, node, task
from xapp.security import principal
from xapp.security.access import MODELS, Access
from xapp.security.audit import note
from xapp.telemetry.reading import NodeReader

_LOAD, _UNLOAD = "/node/models/{id}/load", "/node/models/{id}/unload"
METHODS = {"/node": "Metrics", "/node/tasks": "ListTasks", _LOAD: "LoadModel", _UNLOAD: "UnloadModel"}
FOR_ADMINS = frozenset((_LOAD, _UNLOAD))


class NodeRoutes:
    """The handlers. `name` is the node's name."""

    def __init__(self, service: Service, access: Access, reader: NodeReader, name: str) -> None:
        self._service = service
        self._access = access
        self._reader = reader
        self._name = name

    def table(self) -> list[web.RouteDef]:
        """All paths."""
        routes = [web.get("/node", self.node), web.get("/node/tasks", self.tasks)]
        if self._access.is_closed(MODELS):
            return routes
        return [*routes, web.post(_LOAD, self.load), web.post(_UNLOAD, self.unload)]

    async def node(self, request: web.Request) -> web.Response:
        """GET /node: the machine, and the models that the caller may use, at this moment."""
        policy, caller = self._access.policy, principal.current.get()
        reading = await self._reader.read()
        statuses = [each for each in self._service.list_models() if policy.allows_model(caller, each.name)]
        view = node(self._name, reading, statuses, ready=self._service.ready)
        return _json(view | {"may_load": self._may_load()})

    def _may_load(self) -> bool:
        if self._access.is_closed(MODELS):
            return False
        if not self._access.required:
            return True
        try:
            self._access.policy.check_method(principal.current.get(), METHODS[_LOAD], for_admins=True)
        except PermissionDenied:
            return False
        return True

    async def tasks(self, request: web.Request) -> web.Response:
        """GET /node/tasks: every version of the tasks that the caller may run."""
        policy, caller = self._access.policy, principal.current.get()
        allowed = (each for each in self._service.list_tasks() if policy.allows_task(caller, each.name))
        return _json({"tasks": [task(each) for each in allowed]})

    async def load(self, request: web.Request) -> web.Response:
        """POST /node/models/{id}/load: begins to load the model; `GET /node` has the progress."""
        async with aclosing(self._service.load_model(_named(request))) as statuses:
            status = await anext(statuses)
        return _json(model(status, None))

    async def unload(self, request: web.Request) -> web.Response:
        """POST /node/models/{id}/unload: answers when the model's worker has ended."""
        return _json(model(await self._service.unload_model(_named(request)), None))


def _named(request: web.Request) -> str:
    """The model in the path."""
    name: str = request.match_info["id"]
    note(name=name)
    return name


def _json(value: object) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(value),
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
