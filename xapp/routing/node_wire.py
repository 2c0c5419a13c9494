"""A request to another node and the events of its answer, on the wire and here."""

from xapp.domain.answers import Chunk, Event, Finished, Provenance, Started
from xapp.domain.decoding import Auto, Ngram, Plain
from xapp.domain.format_kinds import Choices, Format, Grammar, JsonSchema
from xapp.domain.messages import FinishReason
from xapp.domain.requests import DeadlinePolicy, Request
from xapp.durations import to_duration
from xapp.inference.v1 import inference_pb2 as pb
from xapp.routing.destination import UpstreamError
from xapp.routing.request_wire import priority_wire, sampling_wire, set_prompt

_REASONS = {
    pb.FINISH_REASON_STOP: FinishReason.STOP,
    pb.FINISH_REASON_LENGTH: FinishReason.LENGTH,
    pb.FINISH_REASON_DEADLINE: FinishReason.DEADLINE,
}


def to_wire(request: Request, model: str) -> pb.GenerateRequest:
    """The request to the upstream's `model`. Its task has made the prompt already."""
    wire = pb.GenerateRequest(
        model=model,
        sampling=sampling_wire(request.sampling, request.seed),
        max_tokens=request.max_tokens,
        stop=request.stop,
        ignore_eos=request.ignore_eos,
        priority=priority_wire(request.priority),
        format=_format(request.format),
        correlation_id=request.correlation_id,
        deadline_policy=_policy(request),
        max_token_gap=None if request.max_gap_s is None else to_duration(request.max_gap_s),
        strategy=_strategy(request),
        routing=pb.Routing(mode=pb.ROUTING_MODE_LOCAL),
    )
    set_prompt(wire, request)
    return wire


def _policy(request: Request) -> "pb.DeadlinePolicy.ValueType":
    if request.deadline_policy is DeadlinePolicy.BEST_EFFORT:
        return pb.DEADLINE_POLICY_BEST_EFFORT
    return pb.DEADLINE_POLICY_REJECT


def _strategy(request: Request) -> pb.DecodingStrategy | None:
    """A draft model of this node says nothing of the other: that strategy is left to the other node."""
    match request.strategy:
        case Ngram(most):
            return pb.DecodingStrategy(ngram=pb.NgramSpeculation(max_draft_tokens=most))
        case Plain():
            return pb.DecodingStrategy(plain=pb.PlainDecoding())
        case Auto():
            return pb.DecodingStrategy(auto=pb.AutoDecoding())
        case _:
            return None


def _format(asked: Format | None) -> pb.OutputFormat | None:
    match asked:
        case JsonSchema(text):
            return pb.OutputFormat(json_schema=text)
        case Grammar(text):
            return pb.OutputFormat(grammar=text)
        case Choices(texts):
            return pb.OutputFormat(choices=pb.Choices(choices=texts))
        case _:
            return None


def to_event(wire: pb.GenerateResponse, request: Request) -> Event:
    """One event of the answer to `request`. Raises UpstreamError."""
    match wire.WhichOneof("event"):
        case "started":
            return _started(wire.started, request)
        case "chunk":
            return Chunk(wire.chunk.text, wire.chunk.num_tokens)
        case "finished":
            return _finished(wire.finished, request)
        case _:
            raise UpstreamError("it sent a message without an event")


def _started(wire: pb.Started, request: Request) -> Started:
    return Started(
        model=wire.model,
        model_digest=wire.model_digest,
        num_prompt_tokens=wire.num_prompt_tokens,
        num_cached_tokens=wire.num_cached_tokens,
        queue_s=_seconds(wire.queue_duration),
        seed=wire.seed,
        correlation_id=request.correlation_id,
        provenance=_provenance(wire.provenance, request),
        joined=wire.joined,
    )


def _finished(wire: pb.Finished, request: Request) -> Finished:
    if wire.finish_reason not in _REASONS:
        raise UpstreamError(f"the answer ended with finish reason {wire.finish_reason}")
    if request.format is not None and not wire.HasField("format_complete"):
        raise UpstreamError("it does not say whether the answer keeps to its format")
    usage, timing = wire.usage, wire.timing
    return Finished(
        reason=_REASONS[wire.finish_reason],
        num_prompt_tokens=usage.num_prompt_tokens,
        num_cached_tokens=usage.num_cached_tokens,
        num_completion_tokens=usage.num_completion_tokens,
        queue_s=_seconds(timing.queue),
        prefill_s=_seconds(timing.prefill),
        decode_s=_seconds(timing.decode),
        time_to_first_token_s=_seconds(timing.time_to_first_token),
        provenance=_provenance(wire.provenance, request),
        num_drafted=wire.speculation.num_drafted_tokens,
        num_accepted=wire.speculation.num_accepted_tokens,
    )


def _seconds(duration: object) -> float:
    seconds, nanos = duration.seconds, duration.nanos  # type: ignore[attr-defined]
    return float(seconds + nanos * 1e-9)


def _provenance(wire: pb.Provenance, request: Request) -> Provenance:
    """The upstream's own. It does not know the task, which made the prompt here."""
    return Provenance(
        model_digest=wire.model_digest,
        task=request.task_label,
        prompt_hash=wire.prompt_hash,
        seed=wire.seed,
        build=wire.build,
        output_hash=wire.output_hash,
        model_origin=wire.model_origin,
    )
