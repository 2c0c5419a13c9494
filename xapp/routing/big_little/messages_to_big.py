"""The messages to a node with a big model."""

from xapp.domain.requests import Request
from xapp.domain.verification import Opening
from xapp.inference.v1 import inference_pb2
from xapp.inference.v1 import verification_pb2 as pb
from xapp.routing.request_wire import priority_wire, sampling_wire, set_prompt

_MODES = {True: pb.VERIFICATION_MODE_EXACT, False: pb.VERIFICATION_MODE_BIG_LITTLE}


def open_message(opening: Opening, model: str) -> pb.VerifyRequest:
    """Opens a session with a model."""
    message = pb.OpenSession(
        model=model,
        vocabulary_digest=opening.vocabulary,
        mode=_MODES[opening.exact],
        tokens=opening.tokens,
        sampling=sampling_wire(opening.sampling, opening.seed) if opening.exact else None,
        ignore_eos=opening.ignore_eos,
        priority=priority_wire(opening.priority),
        correlation_id=opening.correlation_id,
    )
    return pb.VerifyRequest(open=message)


def generate_message(request: Request, model: str) -> inference_pb2.GenerateRequest:
    """Asks a model for the beginning of an answer."""
    message = inference_pb2.GenerateRequest(
        model=model,
        sampling=sampling_wire(request.sampling, request.seed),
        max_tokens=request.max_tokens,
        stop=request.stop,
        priority=priority_wire(request.priority),
        correlation_id=request.correlation_id,
    )
    set_prompt(message, request)
    return message
