"""The fields that every request to another node has, on the wire."""

from xapp.domain.messages import Priority, SamplingParams
from xapp.domain.requests import Request
from xapp.inference.v1 import inference_pb2 as pb

_PRIORITIES = {
    Priority.CRITICAL: pb.PRIORITY_CRITICAL,
    Priority.INTERACTIVE: pb.PRIORITY_INTERACTIVE,
    Priority.BATCH: pb.PRIORITY_BATCH,
}


def priority_wire(priority: Priority) -> "pb.Priority.ValueType":
    """The class."""
    return _PRIORITIES[priority]


def sampling_wire(params: SamplingParams, seed: int | None) -> pb.SamplingParams:
    """The parameters that every node knows, and the seed."""
    return pb.SamplingParams(
        temperature=params.temperature,
        top_k=params.top_k,
        top_p=params.top_p,
        min_p=params.min_p,
        repeat_penalty=params.repeat_penalty,
        seed=seed,
    )


def set_prompt(wire: pb.GenerateRequest, request: Request) -> None:
    """Sets the prompt: a text, or the turns of a chat."""
    if isinstance(request.prompt, str):
        wire.prompt = request.prompt
    else:
        for turn in request.prompt:
            wire.chat.messages.add(role=turn.role, content=turn.content)
