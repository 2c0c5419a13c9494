"""openengine.v1.Control: what a router asks of a node, and Abort."""

import secrets
from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import Any

from xapp.domain.requests import Request
from xapp.domain.service import Service
from xapp.domain.states import ModelState, ModelStatus
from xapp.errors import InvalidArgument, NotFound, XappError
from xapp.openengine import open_engine_pb2 as oe
from xapp.openengine import open_engine_pb2_grpc
from xapp.security import principal
from xapp.security.permission import Asked, check_request
from xapp.security.policy import ANYTHING_GOES, Policy
from xapp.server.open_engine import engine_facts
from xapp.server.open_engine.running_requests import RunningRequests

_ROLES = (oe.ENGINE_ROLE_UNSPECIFIED, oe.ENGINE_ROLE_AGGREGATED)
_PROBE = "1, 2, 3,"


class EngineControlServicer(open_engine_pb2_grpc.ControlServicer):
    """`policy` is what each principal may do; None where callers show no credentials."""

    def __init__(
        self,
        service: Service,
        node_name: str,
        running: RunningRequests,
        policy: Callable[[], Policy] = lambda: ANYTHING_GOES,
    ) -> None:
        self._service = service
        self._running = running
        self._policy = policy
        # A router sees by it that the process is another one.
        self._instance = f"{node_name}-{secrets.token_hex(4)}"

    async def GetServerInfo(self, request: oe.GetServerInfoRequest, context: Any) -> oe.ServerInfo:  # noqa: N802
        """The engine, its capacity, and the models that the caller may use."""
        return engine_facts.server_info(self._instance, self._models())

    async def GetModelInfo(self, request: oe.GetModelInfoRequest, context: Any) -> oe.ModelInfo:  # noqa: N802
        """One of the models of GetServerInfo. Raises NotFound for any other."""
        if not request.model:
            raise InvalidArgument("model", "is empty")
        models = self._models()
        status = next((each for each in models if each.name == request.model), None)
        if status is None:
            known = ", ".join(each.name for each in models)
            raise NotFound(f"no model {request.model[:128]!r}; there are {known}", metadata={"models": known})
        return engine_facts.model_info(status)

    def _models(self) -> Sequence[ModelStatus]:
        policy, caller = self._policy(), principal.current.get()
        serving = (
            each for each in self._service.list_models() if each.info and each.state is ModelState.READY
        )
        return [each for each in serving if policy.allows_model(caller, each.name)]

    async def GetLoad(self, request: oe.GetLoadRequest, context: Any) -> oe.LoadInfo:  # noqa: N802
        """How full the node is."""
        samples = self._service.samples()
        return engine_facts.load_info(self._instance, samples, with_rank=request.include_per_rank)

    async def Abort(self, request: oe.AbortRequest, context: Any) -> oe.AbortResponse:  # noqa: N802
        """Ends one request of the caller, or all of them."""
        caller = principal.current.get().name
        match request.WhichOneof("target"):
            case "request_id":
                has_run = self._running.abort(caller, request.request_id)
                status = oe.ABORT_STATUS_ABORTED if has_run else oe.ABORT_STATUS_ALREADY_FINISHED
                return oe.AbortResponse(status=status)
            case "all_requests":
                count = self._running.abort_all(caller)
                return oe.AbortResponse(status=oe.ABORT_STATUS_ABORTED, message=f"{count} requests")
            case "kv_session":
                raise NotFound("this engine has no KV sessions", reason="REQUEST_NOT_FOUND")
            case _:
                raise InvalidArgument("target", "set request_id or all_requests")

    async def Health(self, request: oe.HealthRequest, context: Any) -> oe.HealthResponse:  # noqa: N802
        """The state of the node and of its default model; on request whether a model answers."""
        if request.role not in _ROLES:
            raise InvalidArgument("role", "this engine is AGGREGATED", reason="UNSUPPORTED_FEATURE")
        checks = [self._model_check()]
        if request.include_inference_probe:
            checks.append(await self._probe(request.model))
        return oe.HealthResponse(state=self._state(checks), checks=checks)

    def _state(self, checks: Sequence[oe.HealthCheck]) -> oe.HealthState.ValueType:
        if self._service.draining:
            return oe.HEALTH_STATE_DRAINING
        bad = (each.state for each in checks if each.state != oe.HEALTH_STATE_READY)
        return next(bad, oe.HEALTH_STATE_READY)

    def _model_check(self) -> oe.HealthCheck:
        try:
            status = self._service.get_model("")
        except XappError as error:
            return oe.HealthCheck(name="model", state=oe.HEALTH_STATE_NOT_READY, message=error.message)
        return oe.HealthCheck(name="model", state=engine_facts.state_of_model(status), message=status.error)

    async def _probe(self, model: str) -> oe.HealthCheck:
        """One token, as a request of the caller."""
        caller = principal.current.get()
        check_request(self._policy(), caller, self._service, Asked(model))
        check = oe.HealthCheck(name="inference_probe", state=oe.HEALTH_STATE_READY)
        asked = Request(_PROBE, model=model, max_tokens=1, client=caller.name, scope=caller.scope)
        try:
            async with aclosing(self._service.generate(asked)) as events:
                async for _ in events:
                    pass
        except XappError as error:
            check.state, check.message = oe.HEALTH_STATE_NOT_READY, f"{error.code}: {error.message}"
        return check
