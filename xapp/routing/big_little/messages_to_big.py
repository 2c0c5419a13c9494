"""The messages to a node with a big model."""

from xapp.domain.requests import Request
from xapp.domain.sampling import SamplingParams
from xapp.domain.verification import Opening
from xapp.inference.v1 import inference_pb2
from xapp.inference.v1 import verification_pb2 as pb

_MODES = {True: pb.VERIFICATION_MODE_EXACT, False: pb.VERIFICATION_MODE_BIG_LITTLE}


def open_message(opening: Opening, model: str) -> pb.VerifyRequest:
    """Opens a session with a model."""
    message = pb.OpenSession(
        model=model,
        vocabulary_digest=opening.vocabulary,
        mode=_MODES[opening.exact],
        tokens=opening.tokens,
        sampling=_sampling(opening.sampling, opening.seed) if opening.exact else None,
        ignore_eos=opening.ignore_eos,
        priority=_priority(opening.priority.name),
        correlation_id=opening.correlation_id,
    )
    return pb.VerifyRequest(open=message)


def generate_message(request: Request, model: str) -> inference_pb2.GenerateRequest:
    """Asks a model for the beginning of an answer."""
    message = inference_pb2.GenerateRequest(
        model=model,
        sampling=_sampling(request.sampling, request.seed),
        max_tokens=request.max_tokens,
        stop=request.stop,
        priority=_priority(request.priority.name),
        correlation_id=request.correlation_id,
    )
    if isinstance(request.prompt, str):
        message.prompt = request.prompt
    else:
        for turn in request.prompt:
            message.chat.messages.add(role=turn.role, content=turn.content)
    return message


def _sampling(params: SamplingParams, seed: int | None) -> inference_pb2.SamplingParams:
    return inference_pb2.SamplingParams(
        temperature=params.temperature,
        top_k=params.top_k,
        top_p=params.top_p,
        min_p=params.min_p,
        repeat_penalty=params.repeat_penalty,
        seed=seed,
    )


def _priority(name: str) -> "inference_pb2.Priority.ValueType":
    return inference_pb2.Priority.Value(f"PRIORITY_{name}")
