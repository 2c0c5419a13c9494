"""ModelInfer on an embedding model: converted and delegated."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc

from xapp import hops, logs
from xapp.domain.embedding import Caller, EmbedResult
from xapp.domain.kinds import EMBEDDING, Capability
from xapp.domain.service import Service
from xapp.domain.states import ModelStatus
from xapp.edge.vector_events import record_result
from xapp.errors import NotFound
from xapp.kserve import open_inference_pb2 as oip
from xapp.security import principal
from xapp.security.permission import Asked, check_request
from xapp.security.policy import Policy
from xapp.server.deadline import deadline_of
from xapp.server.embedding import check_size
from xapp.server.open_inference_vectors import names_of_the_protocol, to_embed, vectors
from xapp.telemetry.metrics import Metrics
from xapp.telemetry.observation import Observation


def is_embedder(service: Service, status: ModelStatus) -> bool:
    """Whether a model turns texts into vectors. While it is loaded, that is known of the node's own one."""
    if status.info is None:
        return status.name == service.name_for(Capability.EMBED)
    return status.info.kind == EMBEDDING.name


@dataclass(frozen=True, slots=True)
class VectorInference:
    """`policy` is what each principal may do. `max_bytes` is the limit of an answer."""

    service: Service
    metrics: Metrics
    policy: Callable[[], Policy]
    max_bytes: int
    log_texts: bool = False

    def is_asked(self, model: str) -> bool:
        """Whether the model is an embedding model. A model that nobody knows is none."""
        try:
            return is_embedder(self.service, self.service.get_model(model))
        except NotFound:
            return False

    async def infer(
        self, request: oip.ModelInferRequest, context: "grpc.aio.ServicerContext[Any, Any]"
    ) -> oip.ModelInferResponse:
        """The vector of each text."""
        return await vectors(request, await self._result(request, context))

    async def _result(self, request: oip.ModelInferRequest, context: Any) -> EmbedResult:
        caller = principal.current.get()
        own = Caller(
            client=caller.name,
            scope=caller.scope,
            deadline=deadline_of(context),
            correlation_id=logs.correlation_id.get(),
            hops=hops.current.get(),
        )
        parsed = to_embed(request, own)
        asked = Asked(parsed.model, priority=parsed.caller.priority.name.lower(), needed=Capability.EMBED)
        check_request(self.policy(), caller, self.service, asked)
        with Observation(self.metrics, parsed.model, client_gone=grpc.aio.BaseError) as observation:
            if self.log_texts:
                observation.prompt = "\n".join(parsed.texts)
            with names_of_the_protocol():
                check_size(self.service, parsed, self.max_bytes)
                result = await self.service.embed(parsed)
            record_result(observation, result, parsed.caller.correlation_id)
            return result
