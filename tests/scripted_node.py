"""A node that does what a test wrote down: for clients, which must not need an engine."""

import threading
from array import array
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from xapp.inference.v1 import (
    embedding_pb2,
    embedding_pb2_grpc,
    inference_pb2_grpc,
    models_pb2,
    models_pb2_grpc,
)
from xapp.inference.v1 import inference_pb2 as pb


@dataclass(frozen=True)
class Fault:
    """Ends a call with a rich status."""

    code: int
    message: str
    details: tuple[Message, ...] = ()

    def abort(self, context: Any) -> None:
        status = status_pb2.Status(code=self.code, message=self.message)
        for detail in self.details:
            packed = AnyMessage()
            packed.Pack(detail)
            status.details.append(packed)
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        code = next(code for code in grpc.StatusCode if code.value[0] == self.code)
        context.abort(code, self.message)


class Hang:
    """The call goes on until the client ends it."""


Step: TypeAlias = pb.GenerateResponse | Fault | Hang


def unavailable(delay_s: float) -> Fault:
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.FromNanoseconds(int(delay_s * 1e9))
    info = error_details_pb2.ErrorInfo(reason="LOADING", domain="genai-xapp")
    return Fault(code_pb2.UNAVAILABLE, "the model is loading", (info, retry))


def full(reason: str = "DEADLINE_UNREACHABLE") -> Fault:
    info = error_details_pb2.ErrorInfo(reason=reason, domain="genai-xapp")
    return Fault(code_pb2.RESOURCE_EXHAUSTED, "it would be late", (info,))


def bad_field(name: str) -> Fault:
    request = error_details_pb2.BadRequest()
    request.field_violations.add(field=name, description="wrong")
    info = error_details_pb2.ErrorInfo(reason="INVALID_ARGUMENT", metadata={"field": name})
    return Fault(code_pb2.INVALID_ARGUMENT, f"{name}: wrong", (info, request))


def started(seed: int = 0) -> pb.GenerateResponse:
    return pb.GenerateResponse(started=pb.Started(model="m", num_prompt_tokens=3, seed=seed))


def chunk(text: str) -> pb.GenerateResponse:
    return pb.GenerateResponse(chunk=pb.Chunk(text=text, num_tokens=1))


def finished(num_tokens: int = 2, **provenance: Any) -> pb.GenerateResponse:
    usage = pb.Usage(num_prompt_tokens=3, num_completion_tokens=num_tokens)
    return pb.GenerateResponse(
        finished=pb.Finished(
            finish_reason=pb.FINISH_REASON_STOP, usage=usage, provenance=pb.Provenance(**provenance)
        )
    )


TASKS = (
    pb.Task(
        name="triage",
        version=2,
        description="What is wrong.",
        kind="generate",
        inputs=[
            pb.TaskInput(name="line", type="string"),
            pb.TaskInput(name="n", type="integer", optional=True),
        ],
    ),
    pb.Task(name="class", version=1, description="Which one.", kind="score"),
)
ANSWER: Sequence[Step] = (started(), chunk("Hello"), chunk(" wörld"), finished())


@dataclass
class ScriptedNode(
    inference_pb2_grpc.InferenceServiceServicer,
    embedding_pb2_grpc.EmbeddingServiceServicer,
    models_pb2_grpc.ModelServiceServicer,
):
    """`script` is one list of steps a Generate call; the last one is repeated. Requests are kept."""

    script: list[Sequence[Step]] = field(default_factory=lambda: [ANSWER])
    requests: list[pb.GenerateRequest] = field(default_factory=list)
    scored: list[pb.ScoreRequest] = field(default_factory=list)
    embedded: list[embedding_pb2.EmbedRequest] = field(default_factory=list)
    reranked: list[embedding_pb2.RerankRequest] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)
    target: str = ""

    def Generate(self, request: pb.GenerateRequest, context: Any) -> Iterator[pb.GenerateResponse]:  # noqa: N802
        steps = self.script[min(len(self.requests), len(self.script) - 1)]
        self.requests.append(request)
        # From the start: a call that ends between two steps has ended as well.
        if any(isinstance(step, Hang) for step in steps) and not context.add_callback(self.ended.set):
            self.ended.set()
        for step in steps:
            if isinstance(step, Fault):
                step.abort(context)
            elif isinstance(step, Hang):
                self.ended.wait(30)
            else:
                yield step

    def Score(self, request: pb.ScoreRequest, context: Any) -> pb.ScoreResponse:  # noqa: N802
        """The first choice is the likeliest by 0.75 to 0.25."""
        self.scored.append(request)
        choices = []
        for index, choice in enumerate(request.choices):
            token = pb.TokenLogProbability(text=choice.encode(), log_probability=-1.0 - index)
            choices.append(
                pb.ChoiceScore(
                    choice=choice,
                    log_probability=-1.0 - index,
                    probability=0.25 if index else 0.75,
                    tokens=[token] if request.include_tokens else [],
                )
            )
        abstained = request.min_margin > 0.5
        winner = None if abstained else 0
        return pb.ScoreResponse(choices=choices, winner=winner, abstained=abstained, margin=0.5)

    def Embed(self, request: embedding_pb2.EmbedRequest, context: Any) -> embedding_pb2.EmbedResponse:  # noqa: N802
        """A vector is the length of its text, and 1."""
        self.embedded.append(request)
        packed = request.encoding == embedding_pb2.VECTOR_ENCODING_PACKED
        vectors = [[float(len(text)), 1.0] for text in request.texts]
        embeddings = [
            embedding_pb2.TextEmbedding(
                values=() if packed else vector,
                packed=array("f", vector).tobytes() if packed else b"",
                num_tokens=3,
                num_lost_tokens=7 if len(text) > 9 else 0,
            )
            for text, vector in zip(request.texts, vectors, strict=True)
        ]
        return embedding_pb2.EmbedResponse(
            model="e", dimensions=2, embeddings=embeddings, num_tokens=3 * len(vectors)
        )

    def Rerank(self, request: embedding_pb2.RerankRequest, context: Any) -> embedding_pb2.RerankResponse:  # noqa: N802
        """The longest document is the most relevant."""
        self.reranked.append(request)
        lengths = sorted(((len(text), index) for index, text in enumerate(request.documents)), reverse=True)
        documents = [
            embedding_pb2.RankedDocument(index=index, score=length, relevance=length / 100)
            for length, index in lengths[: request.top_n or None]
        ]
        method = embedding_pb2.RERANK_METHOD_CROSS_ENCODER
        return embedding_pb2.RerankResponse(model="r", method=method, documents=documents, num_tokens=9)

    def ListTasks(self, request: pb.ListTasksRequest, context: Any) -> pb.ListTasksResponse:  # noqa: N802
        return pb.ListTasksResponse(tasks=TASKS)

    def Estimate(self, request: pb.EstimateRequest, context: Any) -> pb.EstimateResponse:  # noqa: N802
        """Takes on whatever has a second's time."""
        answer = pb.EstimateResponse(num_prompt_tokens=3, num_completion_tokens=20)
        answer.completion.p50.FromMilliseconds(1500)
        answer.admitted = not request.HasField("deadline") or request.deadline.ToMilliseconds() >= 1000
        if not answer.admitted:
            answer.reason = "DEADLINE_UNREACHABLE"
            answer.retry_after.FromMilliseconds(2500)
        return answer

    def Tokenize(self, request: pb.TokenizeRequest, context: Any) -> pb.TokenizeResponse:  # noqa: N802
        count = len(request.prompt or request.chat.messages[0].content)
        return pb.TokenizeResponse(tokens=range(count), num_tokens=count, context_length=4096)

    def Metrics(self, request: pb.MetricsRequest, context: Any) -> Iterator[pb.MetricsResponse]:  # noqa: N802
        for _ in range(request.count or 1000):
            model = pb.ModelMetrics(
                model="m", num_running=2, text_pss_bytes=31 << 20, text_cpu_percent=4, num_text_restarts=1
            )
            sample = pb.MetricsResponse(node="pi-1", models=[model])
            sample.models[0].inter_token_latency.p50.FromMilliseconds(12)
            yield sample

    def GetModel(self, request: Any, context: Any) -> Any:  # noqa: N802
        raise NotImplementedError

    def LoadModel(self, request: Any, context: Any) -> Iterator[models_pb2.LoadModelResponse]:  # noqa: N802
        """Every model but "absent" is there."""
        if request.name == "absent":
            context.abort(grpc.StatusCode.NOT_FOUND, "no model 'absent'")
        model = models_pb2.Model(name=request.name, size_bytes=100, state=models_pb2.MODEL_STATE_LOADING)
        yield models_pb2.LoadModelResponse(model=model, progress=0.5)
        model.MergeFrom(
            models_pb2.Model(
                state=models_pb2.MODEL_STATE_READY, num_slots=4, context_length=1024, memory_bytes=2_000_000
            )
        )
        yield models_pb2.LoadModelResponse(model=model, progress=1.0)

    def UnloadModel(self, request: Any, context: Any) -> models_pb2.UnloadModelResponse:  # noqa: N802
        """The default stays."""
        if request.name == "m":
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "m is the default model")
        model = models_pb2.Model(name=request.name, state=models_pb2.MODEL_STATE_AVAILABLE)
        return models_pb2.UnloadModelResponse(model=model)

    def ListModels(self, request: Any, context: Any) -> models_pb2.ListModelsResponse:  # noqa: N802
        models = [
            models_pb2.Model(name="m", is_default=True, state=models_pb2.MODEL_STATE_READY),
            models_pb2.Model(name="on-disk", state=models_pb2.MODEL_STATE_AVAILABLE),
        ]
        return models_pb2.ListModelsResponse(models=models)


@contextmanager
def scripted_node() -> Iterator[ScriptedNode]:
    node = ScriptedNode()
    server = grpc.server(ThreadPoolExecutor(8))
    inference_pb2_grpc.add_InferenceServiceServicer_to_server(node, server)
    embedding_pb2_grpc.add_EmbeddingServiceServicer_to_server(node, server)
    models_pb2_grpc.add_ModelServiceServicer_to_server(node, server)
    node.target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield node
    finally:
        node.ended.set()
        server.stop(0).wait()
