"""GRPCInferenceService: the Open Inference Protocol, converted and delegated."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import grpc

from xapp import hops, logs
from xapp.domain.answers import Chunk, Event, Finished, Started
from xapp.domain.service import Service
from xapp.domain.states import ModelState, ModelStatus
from xapp.edge.limit import Limit
from xapp.edge.watchdog import Watchdog, WatchedStream
from xapp.errors import NotFound, XappError
from xapp.inference.v1 import inference_pb2 as pb
from xapp.kserve import open_inference_pb2 as oip
from xapp.kserve import open_inference_pb2_grpc
from xapp.security import principal
from xapp.security.permission import check_request
from xapp.security.policy import ANYTHING_GOES, Policy
from xapp.server import open_inference_vectors
from xapp.server.authorisation import asked_of
from xapp.server.convert.requests import to_request
from xapp.server.deadline import deadline_of
from xapp.server.open_inference import answer, metadata, names_of_the_protocol, to_inference
from xapp.server.open_inference_embed import VectorInference, is_embedder
from xapp.server.open_inference_tensors import check_version
from xapp.telemetry.metrics import Metrics
from xapp.telemetry.observation import Observation
from xapp.version import installed_version

MAX_STREAMS = 64
"""Each may hold one half-sent message of the largest size."""
_FINAL = "triton_final_response"
"""Says to clients of a stream which response is the last one of its request."""


class OpenInferenceServicer(open_inference_pb2_grpc.GRPCInferenceServiceServicer):
    """`policy` is what each principal may do. `max_bytes` is the limit of an answer."""

    def __init__(
        self,
        service: Service,
        metrics: Metrics,
        watchdog: Watchdog,
        policy: Callable[[], Policy] = lambda: ANYTHING_GOES,
        *,
        max_bytes: int,
        log_prompts: bool = False,
    ) -> None:
        self._vectors = VectorInference(service, metrics, policy, max_bytes, log_prompts)
        self._service = service
        self._metrics = metrics
        self._watchdog = watchdog
        self._policy = policy
        self._log_prompts = log_prompts
        self._streams = Limit("ModelStreamInfer streams", MAX_STREAMS)

    async def ServerLive(self, request: Any, context: Any) -> oip.ServerLiveResponse:  # noqa: N802
        """The process answers, so it lives."""
        return oip.ServerLiveResponse(live=True)

    async def ServerReady(self, request: Any, context: Any) -> oip.ServerReadyResponse:  # noqa: N802
        """Whether the default model serves."""
        return oip.ServerReadyResponse(ready=self._service.ready)

    async def ServerMetadata(self, request: Any, context: Any) -> oip.ServerMetadataResponse:  # noqa: N802
        """The program and its version."""
        return oip.ServerMetadataResponse(name="genai-xapp", version=installed_version())

    async def ModelReady(  # noqa: N802
        self, request: oip.ModelReadyRequest, context: Any
    ) -> oip.ModelReadyResponse:
        """Whether a model serves; a model that nobody knows does not."""
        try:
            status = self._named(request.name, request.version)
            return oip.ModelReadyResponse(ready=status.state is ModelState.READY)
        except NotFound:
            return oip.ModelReadyResponse(ready=False)

    async def ModelMetadata(  # noqa: N802
        self, request: oip.ModelMetadataRequest, context: Any
    ) -> oip.ModelMetadataResponse:
        """The tensors of a model."""
        status = self._named(request.name, request.version)
        if is_embedder(self._service, status):
            return open_inference_vectors.metadata(status.name, status.info.dimensions if status.info else 0)
        return metadata(status.name)

    def _named(self, name: str, version: str) -> ModelStatus:
        """Raises NotFound, PermissionDenied."""
        check_version(version)
        self._policy().check_model(principal.current.get(), [name] if name else [])
        status = self._service.get_model(name)
        self._policy().check_model(principal.current.get(), [status.name])
        return status

    async def ModelInfer(  # noqa: N802
        self, request: oip.ModelInferRequest, context: "grpc.aio.ServicerContext[Any, Any]"
    ) -> oip.ModelInferResponse:
        """One text in, one text out. On an embedding model: texts in, vectors out."""
        if self._vectors.is_asked(request.model_name):
            return await self._vectors.infer(request, context)
        inference = to_inference(request)
        pieces, model, reason = [], "", ""
        async with aclosing(self._events(inference.request, context)) as events:
            async for event in events:
                if type(event) is Chunk:
                    pieces.append(event.text)
                elif type(event) is Started:
                    model = event.model
                elif type(event) is Finished:
                    reason = event.reason
        response = answer(request, model, "".join(pieces), raw=inference.raw)
        response.parameters["finish_reason"].string_param = reason
        return response

    async def ModelStreamInfer(  # type: ignore[override]  # noqa: N802
        self,
        requests: AsyncIterator[oip.ModelInferRequest],
        context: "grpc.aio.ServicerContext[Any, Any]",
    ) -> None:
        """The requests of a stream one after the other, each with a response for every piece of its answer.

        An error belongs to its request: it is a response, and the stream goes on.
        """
        with self._streams.hold(), self._watchdog.watch() as stream:
            async for request in requests:
                try:
                    await self._stream(request, context, stream)
                except XappError as error:
                    failed = oip.ModelStreamInferResponse(error_message=f"{error.code}: {error.message}")
                    failed.infer_response.id = request.id
                    await stream.send(context.write(failed))

    async def _stream(
        self,
        request: oip.ModelInferRequest,
        context: "grpc.aio.ServicerContext[Any, Any]",
        stream: WatchedStream,
    ) -> None:
        if self._vectors.is_asked(request.model_name):
            response = await self._vectors.infer(request, context)
            response.parameters[_FINAL].bool_param = True
            await stream.send(context.write(oip.ModelStreamInferResponse(infer_response=response)))
            return
        inference = to_inference(request)
        model = ""
        async with aclosing(self._events(inference.request, context)) as events:
            async for event in events:
                if type(event) is Started:
                    model = event.model
                    continue
                is_last = type(event) is Finished
                text = event.text if type(event) is Chunk else ""
                response = answer(request, model, text, raw=inference.raw)
                response.parameters[_FINAL].bool_param = is_last
                if type(event) is Finished:
                    response.parameters["finish_reason"].string_param = event.reason
                await stream.send(context.write(oip.ModelStreamInferResponse(infer_response=response)))

    async def _events(
        self, request: pb.GenerateRequest, context: "grpc.aio.ServicerContext[Any, Any]"
    ) -> AsyncGenerator[Event, None]:
        caller = principal.current.get()
        check_request(self._policy(), caller, self._service, asked_of(request))
        with Observation(self._metrics, request.model, client_gone=grpc.aio.BaseError) as observation:
            name, deadline = logs.correlation_id.get(), deadline_of(context)
            with names_of_the_protocol():
                parsed = to_request(request, name, deadline, caller, hops.current.get())
            if self._log_prompts:
                observation.prompt = parsed.prompt
            with names_of_the_protocol():
                async with aclosing(self._service.generate(parsed)) as events:
                    async for event in events:
                        observation.record(event)
                        yield event
