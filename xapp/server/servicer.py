"""InferenceService: converts and delegates, nothing else."""

import asyncio
import platform
import time
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import grpc

from xapp import hops, logs
from xapp.config import LogSettings, NodeSettings
from xapp.domain.service import Inference
from xapp.edge.limit import Limit
from xapp.edge.watchdog import Watchdog
from xapp.errors import Unavailable
from xapp.inference.v1 import inference_pb2 as pb
from xapp.inference.v1 import inference_pb2_grpc
from xapp.security import principal
from xapp.security.policy import ANYTHING_GOES, Policy
from xapp.server import respond, score, tasks
from xapp.server.convert.metrics_request import to_count, to_interval_s
from xapp.server.convert.prompt import to_prompt
from xapp.server.convert.requests import to_estimated, to_request
from xapp.server.deadline import deadline_of
from xapp.server.metrics_sample import sample
from xapp.telemetry.metrics import Metrics
from xapp.telemetry.observation import Observation
from xapp.telemetry.reading import NodeReader

MAX_METRICS_STREAMS = 64
_DRAIN_RETRY_AFTER_S = 5.0


class InferenceServicer(inference_pb2_grpc.InferenceServiceServicer):
    """Streams are written with `context.write`, with one frame between an event and the wire."""

    def __init__(
        self,
        service: Inference,
        metrics: Metrics,
        reader: NodeReader,
        watchdog: Watchdog,
        *,
        node: NodeSettings,
        log: LogSettings,
        policy: Callable[[], Policy] = lambda: ANYTHING_GOES,
    ) -> None:
        self._service = service
        self._node_name = node.name or platform.node()
        self._log_prompts = log.prompts
        self._metrics = metrics
        self._reader = reader
        self._watchdog = watchdog
        self._policy = policy
        self._metrics_streams = Limit("Metrics streams", MAX_METRICS_STREAMS)
        self._closing = asyncio.Event()

    def close(self) -> None:
        """Ends the Metrics streams, which otherwise never end."""
        self._closing.set()

    async def Generate(  # type: ignore[override]  # noqa: N802  the stub's types know generators only
        self, request: pb.GenerateRequest, context: "grpc.aio.ServicerContext[Any, Any]"
    ) -> None:
        """Streams the answer to one prompt."""
        with (
            self._observe(request.model) as observation,
            self._watchdog.watch() as stream,
        ):
            caller = principal.current.get()
            name, deadline = logs.correlation_id.get(), deadline_of(context)
            parsed = to_request(request, name, deadline, caller, hops.current.get())
            if self._log_prompts:
                observation.prompt = parsed.prompt
            record, wire, clock = observation.record, respond.event, time.monotonic
            async with aclosing(self._service.generate(parsed)) as events:
                async for event in events:
                    record(event)
                    stream.writing_since = clock()
                    # `context.write` is not kept in a variable: the first write, which sends the headers,
                    # is another function.
                    await context.write(wire(event))
                    stream.writing_since = None

    def _observe(self, model: str) -> Observation:
        return Observation(self._metrics, model, client_gone=grpc.aio.BaseError)

    async def Metrics(  # type: ignore[override]  # noqa: N802
        self, request: pb.MetricsRequest, context: "grpc.aio.ServicerContext[Any, Any]"
    ) -> None:
        """Streams samples until `count`, cancellation or the server's end."""
        interval_s, count = to_interval_s(request), to_count(request)
        with self._metrics_streams.hold(), self._watchdog.watch() as stream:
            previous = self._reader.latest
            sent = 0
            while count is None or sent < count:
                if sent:
                    await self._pause(interval_s)
                current = await self._reader.read()
                await stream.send(context.write(sample(self._node_name, previous, current)))
                previous = current
                sent += 1

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._closing.wait(), seconds)
        except TimeoutError:
            return
        raise Unavailable("the server ends", reason="DRAINING", retry_after_s=_DRAIN_RETRY_AFTER_S)

    async def Score(  # noqa: N802
        self, request: pb.ScoreRequest, context: "grpc.aio.ServicerContext[Any, Any]"
    ) -> pb.ScoreResponse:
        """The probability of each choice."""
        with self._observe(request.model) as observation:
            correlation_id, deadline = logs.correlation_id.get(), deadline_of(context)
            parsed = score.to_score(request, correlation_id, deadline, principal.current.get())
            if self._log_prompts:
                observation.prompt = parsed.request.prompt
            result = await self._service.score(parsed)
            observation.record(result.started)
            observation.record(result.finished)
            return score.response(result)

    async def Estimate(  # noqa: N802
        self, request: pb.EstimateRequest, context: "grpc.aio.ServicerContext[Any, Any]"
    ) -> pb.EstimateResponse:
        """What Generate would take."""
        parsed = to_estimated(request, deadline_of(context), principal.current.get())
        return respond.estimate(await self._service.estimate(parsed))

    async def ListTasks(  # noqa: N802
        self, request: pb.ListTasksRequest, context: "grpc.aio.ServicerContext[Any, Any]"
    ) -> pb.ListTasksResponse:
        """The tasks of this node that the caller may run."""
        policy, caller = self._policy(), principal.current.get()
        visible = (each for each in self._service.list_tasks() if policy.allows_task(caller, each.name))
        return pb.ListTasksResponse(tasks=[tasks.task(each) for each in visible])

    async def Tokenize(  # noqa: N802
        self, request: pb.TokenizeRequest, context: "grpc.aio.ServicerContext[Any, Any]"
    ) -> pb.TokenizeResponse:
        """A prompt in tokens."""
        prompt, client = to_prompt(request), principal.current.get().name
        return respond.tokens(await self._service.tokenize(request.model, prompt, client))
