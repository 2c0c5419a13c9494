"""ModelService: converts and delegates, nothing else."""

from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import grpc

from xapp.domain.service import Models
from xapp.domain.states import ModelStatus
from xapp.edge.limit import Limit
from xapp.edge.watchdog import Watchdog
from xapp.errors import InvalidArgument
from xapp.inference.v1 import models_pb2 as pb
from xapp.inference.v1 import models_pb2_grpc
from xapp.security import principal
from xapp.security.policy import ANYTHING_GOES, Policy
from xapp.server import respond

MAX_LOAD_STREAMS = 64


class ModelServicer(models_pb2_grpc.ModelServiceServicer):
    """Lists, loads and unloads models. `policy` limits the models that a caller may see."""

    def __init__(
        self, service: Models, watchdog: Watchdog, policy: Callable[[], Policy] = lambda: ANYTHING_GOES
    ) -> None:
        self._service = service
        self._policy = policy
        self._watchdog = watchdog
        self._load_streams = Limit("LoadModel streams", MAX_LOAD_STREAMS)

    async def ListModels(  # noqa: N802
        self, request: pb.ListModelsRequest, context: "grpc.aio.ServicerContext[Any, Any]"
    ) -> pb.ListModelsResponse:
        """All models that the caller may use, by name."""
        policy, caller = self._policy(), principal.current.get()
        visible = (each for each in self._service.list_models() if policy.allows_model(caller, each.name))
        return pb.ListModelsResponse(models=[respond.model(status) for status in visible])

    async def GetModel(  # noqa: N802
        self, request: pb.GetModelRequest, context: "grpc.aio.ServicerContext[Any, Any]"
    ) -> pb.GetModelResponse:
        """One model; "" is the default."""
        if request.name:
            self._policy().check_model(principal.current.get(), [request.name])
        status = self._service.get_model(request.name)
        self._policy().check_model(principal.current.get(), [status.name])
        return pb.GetModelResponse(model=respond.model(status))

    async def LoadModel(  # type: ignore[override]  # noqa: N802  the stub's types know generators only
        self, request: pb.LoadModelRequest, context: "grpc.aio.ServicerContext[Any, Any]"
    ) -> None:
        """Loads a model and streams its progress. A load goes on without its reader."""
        with self._load_streams.hold(), self._watchdog.watch() as stream:
            async with aclosing(self._service.load_model(_named(request.name))) as statuses:
                async for status in statuses:
                    await stream.send(context.write(_progress(status)))

    async def UnloadModel(  # noqa: N802
        self, request: pb.UnloadModelRequest, context: "grpc.aio.ServicerContext[Any, Any]"
    ) -> pb.UnloadModelResponse:
        """Ends a model's worker once its streams have ended."""
        status = await self._service.unload_model(_named(request.name))
        return pb.UnloadModelResponse(model=respond.model(status))


def _progress(status: ModelStatus) -> pb.LoadModelResponse:
    return pb.LoadModelResponse(model=respond.model(status), progress=status.progress)


def _named(name: str) -> str:
    if not name:
        raise InvalidArgument("name", "is empty")
    return name
