"""Events of an answer → responses of openengine.v1. An answer has the output 0 and no other."""

from xapp.domain.answers import Chunk, DrawnToken, Finished, TokenScore
from xapp.domain.messages import FinishReason
from xapp.errors import Exhausted, InvalidArgument, Unavailable, XappError
from xapp.openengine import open_engine_pb2 as oe

_REASONS = {
    FinishReason.STOP: oe.FINISH_REASON_STOP,
    FinishReason.LENGTH: oe.FINISH_REASON_LENGTH,
    FinishReason.CANCELLED: oe.FINISH_REASON_CANCELLED,
    FinishReason.DEADLINE: oe.FINISH_REASON_LENGTH,
}
_MESSAGES = {FinishReason.DEADLINE: "the deadline cut the answer"}


def token_output(request_id: str, chunk: Chunk, *, log_probabilities: bool) -> oe.GenerateResponse:
    """A piece of the answer, with its tokens."""
    tokens = [_token(each, log_probabilities) for each in chunk.drawn]
    output = oe.TokenOutput(output_index=0, tokens=tokens, text=chunk.text)
    return oe.GenerateResponse(request_id=request_id, token=output)


def _token(drawn: DrawnToken, log_probabilities: bool) -> oe.TokenInfo:
    score = drawn.score
    token = oe.TokenInfo(token_id=score.token, token=_text(score))
    if log_probabilities:
        token.logprob = score.log_probability
        token.candidates.extend(map(_candidate, drawn.top))
    return token


def _candidate(score: TokenScore) -> oe.LogProb:
    return oe.LogProb(token_id=score.token, logprob=score.log_probability, token=_text(score))


def _text(score: TokenScore) -> str:
    return score.text.decode(errors="replace")


def finished(request_id: str, end: Finished) -> oe.GenerateResponse:
    """The last response of an answer."""
    message = _MESSAGES.get(end.reason, "")
    last = oe.GenerationFinished(output_index=0, reason=_REASONS[end.reason], message=message)
    if end.stop_text:
        last.stop_match.stop_text = end.stop_text
    return oe.GenerateResponse(request_id=request_id, finished=last, usage=_usage(end))


def _usage(end: Finished) -> oe.Usage:
    return oe.Usage(
        prompt_tokens=end.num_prompt_tokens,
        completion_tokens=end.num_completion_tokens,
        total_tokens=end.num_prompt_tokens + end.num_completion_tokens,
        cached_prompt_tokens=end.num_cached_tokens,
        reasoning_tokens=end.num_reasoning_tokens,
    )


def aborted(request_id: str, num_prompt_tokens: int, num_tokens: int) -> oe.GenerateResponse:
    """The last response of a request that Abort ended."""
    last = oe.GenerationFinished(output_index=0, reason=oe.FINISH_REASON_CANCELLED, message="aborted")
    usage = oe.Usage(
        prompt_tokens=num_prompt_tokens,
        completion_tokens=num_tokens,
        total_tokens=num_prompt_tokens + num_tokens,
    )
    return oe.GenerateResponse(request_id=request_id, finished=last, usage=usage)


def failed(request_id: str, error: XappError) -> oe.GenerateResponse:
    """The last response of a request that failed after its acceptance."""
    retryable = error.retry_after_s is not None
    wire = oe.EngineError(code=_code_of(error), message=error.message, retryable=retryable)
    return oe.GenerateResponse(request_id=request_id, error=wire)


def _code_of(error: XappError) -> oe.ErrorCode.ValueType:
    if isinstance(error, InvalidArgument):
        return oe.ERROR_CODE_INVALID_ARGUMENT
    if isinstance(error, Exhausted):
        return oe.ERROR_CODE_OVERLOADED
    if isinstance(error, Unavailable) and error.reason == "DRAINING":
        return oe.ERROR_CODE_DRAINING
    return oe.ERROR_CODE_INTERNAL
