"""Embed and Rerank in the counts and the log of requests, which know answers with a start and an end."""

from xapp.domain.answers import Finished, Started
from xapp.domain.embedding import EmbedResult, RerankResult
from xapp.domain.finish_reason import FinishReason
from xapp.telemetry.observation import Observation


def record_result(observation: Observation, result: EmbedResult | RerankResult, correlation_id: str) -> None:
    """Notes a result."""
    num_tokens, queue_s, compute_s = result.num_tokens, result.queue_s, result.compute_s
    observation.record(Started(result.model, result.model_digest, num_tokens, 0, queue_s, 0, correlation_id))
    observation.record(
        Finished(FinishReason.STOP, num_tokens, 0, 0, queue_s, compute_s, 0.0, queue_s + compute_s)
    )
