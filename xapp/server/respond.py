"""Converts answers from domain types to the wire."""

from google.protobuf.duration_pb2 import Duration

from xapp.domain.answers import (
    Chunk,
    DrawnToken,
    Estimate,
    Event,
    Finished,
    Latencies,
    Provenance,
    Started,
    Tokens,
    TokenScore,
    ToolCallDelta,
)
from xapp.domain.big_little import PairFigures
from xapp.domain.kinds import EMBEDDING
from xapp.domain.messages import FinishReason, Shard
from xapp.domain.power import Energy
from xapp.domain.routing import Routed
from xapp.domain.states import ModelState, ModelStatus
from xapp.durations import to_duration
from xapp.inference.v1 import inference_pb2 as pb
from xapp.inference.v1 import models_pb2
from xapp.server.respond_retrieval import source

_FINISH_REASONS = {
    FinishReason.STOP: pb.FINISH_REASON_STOP,
    FinishReason.LENGTH: pb.FINISH_REASON_LENGTH,
    FinishReason.CANCELLED: pb.FINISH_REASON_CANCELLED,
    FinishReason.DEADLINE: pb.FINISH_REASON_DEADLINE,
    FinishReason.TOOL_CALLS: pb.FINISH_REASON_TOOL_CALLS,
}
_MODEL_STATES = {
    ModelState.AVAILABLE: models_pb2.MODEL_STATE_AVAILABLE,
    ModelState.LOADING: models_pb2.MODEL_STATE_LOADING,
    ModelState.READY: models_pb2.MODEL_STATE_READY,
    ModelState.DRAINING: models_pb2.MODEL_STATE_DRAINING,
    ModelState.FAILED: models_pb2.MODEL_STATE_FAILED,
}


def event(event: Event) -> pb.GenerateResponse:
    """One event of an answer. Chunks are by far the most frequent, so they are first."""
    if type(event) is Chunk:
        chunk = pb.Chunk(text=event.text, num_tokens=event.num_tokens)
        if event.drawn:
            chunk.drawn_tokens.extend(map(_drawn, event.drawn))
        if event.tool_calls:
            chunk.tool_calls.extend(map(_delta, event.tool_calls))
        return pb.GenerateResponse(chunk=chunk)
    if type(event) is Started:
        return pb.GenerateResponse(started=_started(event))
    assert type(event) is Finished
    return pb.GenerateResponse(finished=_finished(event))


def _drawn(token: DrawnToken) -> pb.DrawnToken:
    return pb.DrawnToken(token=token_score(token.score), top=map(token_score, token.top))


def _delta(call: ToolCallDelta) -> pb.ToolCallDelta:
    return pb.ToolCallDelta(index=call.index, id=call.id, name=call.name, arguments=call.arguments)


def token_score(score: TokenScore) -> pb.TokenLogProbability:
    """A token with its log-probability."""
    return pb.TokenLogProbability(token=score.token, text=score.text, log_probability=score.log_probability)


def _started(event: Started) -> pb.Started:
    return pb.Started(
        model=event.model,
        model_digest=event.model_digest,
        num_prompt_tokens=event.num_prompt_tokens,
        num_cached_tokens=event.num_cached_tokens,
        queue_duration=to_duration(event.queue_s),
        seed=event.seed,
        correlation_id=event.correlation_id,
        provenance=provenance(event.provenance),
        joined=event.joined,
        routed=_routed(event.routed),
        sources=map(source, event.sources),
    )


def _finished(event: Finished) -> pb.Finished:
    timing = pb.Timing(
        queue=to_duration(event.queue_s),
        prefill=to_duration(event.prefill_s),
        decode=to_duration(event.decode_s),
        time_to_first_token=to_duration(event.time_to_first_token_s),
    )
    return pb.Finished(
        finish_reason=_FINISH_REASONS[event.reason],
        usage=usage(event),
        timing=timing,
        format_complete=event.format_complete,
        provenance=provenance(event.provenance),
        speculation=_speculation(event),
        routed=_routed(event.routed),
        cited_sources=event.cited,
        abstained=event.abstained,
        energy=energy(event.energy),
    )


def energy(energy: Energy | None) -> pb.Energy | None:
    """Measured energy; unset where nobody measured it."""
    if energy is None:
        return None
    return pb.Energy(gross_joules=energy.gross_j, above_idle_joules=energy.above_idle_j)


def _routed(routed: Routed | None) -> pb.Routed | None:
    if routed is None:
        return None
    return pb.Routed(
        answered_by=pb.ANSWERER_UPSTREAM if routed.by_upstream else pb.ANSWERER_LOCAL,
        reason=pb.RoutingReason.Value(f"ROUTING_REASON_{routed.reason.name}"),
        difficulty=routed.difficulty,
        threshold=routed.threshold,
        decision_duration=to_duration(routed.decision_s),
        detail=routed.detail,
    )


def _speculation(finished: Finished) -> pb.Speculation | None:
    if not finished.num_drafted and finished.pair is None:
        return None
    pair = finished.pair or PairFigures()
    return pb.Speculation(
        num_drafted_tokens=finished.num_drafted,
        num_accepted_tokens=finished.num_accepted,
        num_steps=finished.num_draft_steps,
        num_fallbacks=pair.num_fallbacks,
        num_rollbacks=pair.num_rollbacks,
        num_big_passes=pair.num_big_passes,
        num_bytes_sent=pair.num_bytes_sent,
        num_bytes_received=pair.num_bytes_received,
        num_unverified_tokens=pair.num_unverified,
        answered_by=pair.answered_by,
    )


def usage(finished: Finished) -> pb.Usage:
    """The numbers of tokens."""
    return pb.Usage(
        num_prompt_tokens=finished.num_prompt_tokens,
        num_cached_tokens=finished.num_cached_tokens,
        num_completion_tokens=finished.num_completion_tokens,
    )


def provenance(made_by: Provenance | None) -> pb.Provenance | None:
    """The provenance of an answer; unset if unknown."""
    if made_by is None:
        return None
    return pb.Provenance(
        model_digest=made_by.model_digest,
        task=made_by.task,
        prompt_hash=made_by.prompt_hash,
        seed=made_by.seed,
        build=made_by.build,
        output_hash=made_by.output_hash,
        model_origin=made_by.model_origin,
    )


def percentiles(latencies: Latencies) -> pb.Percentiles:
    """The measured latencies; unset without an observation."""
    return pb.Percentiles(
        p50=_optional(latencies.p50), p95=_optional(latencies.p95), p99=_optional(latencies.p99)
    )


def _optional(seconds: float | None) -> Duration | None:
    return None if seconds is None else to_duration(seconds)


def estimate(estimate: Estimate) -> pb.EstimateResponse:
    """A prediction."""
    retry_after_s = estimate.retry_after_s
    return pb.EstimateResponse(
        num_prompt_tokens=estimate.num_prompt_tokens,
        num_completion_tokens=estimate.num_completion_tokens,
        time_to_first_token=percentiles(estimate.time_to_first_token),
        completion=percentiles(estimate.completion),
        queue=percentiles(estimate.queue),
        admitted=estimate.admitted,
        reason=estimate.reason,
        retry_after=_optional(retry_after_s) if not estimate.admitted else None,
    )


def tokens(tokens: Tokens) -> pb.TokenizeResponse:
    """A tokenized prompt."""
    return pb.TokenizeResponse(
        tokens=tokens.ids, num_tokens=len(tokens.ids), context_length=tokens.context_length
    )


def model(status: ModelStatus) -> models_pb2.Model:
    """One model. Fields that only a loaded model has are otherwise 0 or ""."""
    wire = models_pb2.Model(
        name=status.name,
        state=_MODEL_STATES[status.state],
        is_default=status.is_default,
        error=status.error,
        digest=status.digest,
        size_bytes=status.size_bytes,
        license=status.license,
        has_chat_template=status.has_chat_template,
        num_restarts=status.num_restarts,
        warning=status.warning,
        vocabulary_digest=status.vocabulary,
    )
    if info := status.info:
        wire.context_length = info.context_length
        wire.num_slots = info.num_slots
        wire.kv_cells_total = info.kv_cells_total
        wire.kv_type = info.kv_type
        wire.flash_attention = info.flash_attention
        wire.num_threads = info.num_threads
        wire.gpu_layers = info.gpu_layers
        wire.memory_bytes = info.size_bytes + info.kv_bytes
        wire.description = info.description
        wire.strategy = info.strategy
        wire.draft = info.draft
        wire.kind = info.kind
        wire.dimensions = info.dimensions if info.kind == EMBEDDING.name else 0
        wire.shards.extend(map(_shard, info.shards))
    return wire


def _shard(shard: Shard) -> models_pb2.Shard:
    return models_pb2.Shard(
        host=shard.host,
        first_layer=shard.first_layer,
        num_layers=shard.num_layers,
        memory_bytes=shard.weight_bytes + shard.kv_bytes,
        bytes_per_second=shard.bytes_per_s,
    )
