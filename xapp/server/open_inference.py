"""The Open Inference Protocol ↔ Generate. A text goes in, a text comes out.

Tensors: `text_input` and `text_output`, datatype BYTES, one element.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from xapp.errors import InvalidArgument
from xapp.inference.v1 import inference_pb2 as pb
from xapp.kserve import open_inference_pb2 as oip
from xapp.server.field_names import FieldNames
from xapp.server.open_inference_tensors import (
    INPUT,
    PRIORITIES,
    TEXT_TYPE,
    VERSION,
    check_outputs,
    check_parameters,
    check_version,
    raw_text,
    response_to,
    texts_of,
    value_of,
)

OUTPUT = "text_output"
_NAMES = FieldNames(
    {
        "prompt": f"inputs.{INPUT}",
        "chat": f"inputs.{INPUT}",
        "sampling": "parameters",
        "max_tokens": "parameters.max_tokens",
        "stop": "parameters.stop",
        "format": "parameters",
    }
)
names_of_the_protocol = _NAMES.applied
"""An InvalidArgument names the field as the Open Inference Protocol calls it."""


@dataclass(frozen=True, slots=True)
class Inference:
    """A request of this service, and whether the answer's contents are raw."""

    request: pb.GenerateRequest
    raw: bool


def to_inference(wire: oip.ModelInferRequest) -> Inference:
    """Raises InvalidArgument with the tensor or the parameter, NotFound for an unknown version."""
    check_version(wire.model_version)
    check_outputs(wire, OUTPUT)
    (text,) = texts_of(wire, 1)
    check_parameters(wire.parameters, _PARAMETERS)
    request = pb.GenerateRequest(model=wire.model_name)
    _FORMS[_bool(wire.parameters, "chat")](request, text)
    for name in wire.parameters:
        _set(request, name, wire.parameters)
    return Inference(request, bool(wire.raw_input_contents))


def _as_prompt(request: pb.GenerateRequest, text: str) -> None:
    request.prompt = text


def _as_chat(request: pb.GenerateRequest, text: str) -> None:
    request.chat.messages.add(role="user", content=text)


_FORMS: Mapping[bool, Callable[[pb.GenerateRequest, str], None]] = {
    False: _as_prompt,
    True: _as_chat,
}


def _bool(parameters: Mapping[str, oip.InferParameter], name: str) -> bool:
    return name in parameters and value_of(parameters, name, bool)


@dataclass(frozen=True, slots=True)
class _Parameter:
    """`put` writes a value of `kind` into the request."""

    kind: type
    put: Callable[[pb.GenerateRequest, Any], None]


def _field(name: str, of: Callable[[pb.GenerateRequest], Message] = lambda request: request) -> Any:
    return lambda request, value: setattr(of(request), name, value)


def _sampling(request: pb.GenerateRequest) -> Message:
    return request.sampling


def _put_priority(request: pb.GenerateRequest, value: str) -> None:
    if value not in PRIORITIES:
        raise InvalidArgument("parameters.priority", f"is one of {', '.join(PRIORITIES)}")
    request.priority = pb.Priority.Value(f"PRIORITY_{value.upper()}")


_PARAMETERS: Mapping[str, _Parameter] = {
    "chat": _Parameter(bool, lambda request, value: None),
    "max_tokens": _Parameter(int, _field("max_tokens")),
    "temperature": _Parameter(float, _field("temperature", _sampling)),
    "top_p": _Parameter(float, _field("top_p", _sampling)),
    "top_k": _Parameter(int, _field("top_k", _sampling)),
    "min_p": _Parameter(float, _field("min_p", _sampling)),
    "seed": _Parameter(int, _field("seed", _sampling)),
    "stop": _Parameter(str, lambda request, value: request.stop.append(value)),
    "json_schema": _Parameter(str, _field("json_schema", lambda request: request.format)),
    "priority": _Parameter(str, _put_priority),
}
"""What a request may say beside its text, by the names of GenerateRequest."""


def _set(request: pb.GenerateRequest, name: str, parameters: Mapping[str, oip.InferParameter]) -> None:
    known = _PARAMETERS[name]
    value = value_of(parameters, name, known.kind)
    try:
        known.put(request, value)
    except ValueError as error:
        raise InvalidArgument(f"parameters.{name}", "is out of range") from error


def answer(wire: oip.ModelInferRequest, model: str, text: str, *, raw: bool) -> oip.ModelInferResponse:
    """A text as the output tensor, in the form in which the input came."""
    made = response_to(wire, model)
    tensor = made.outputs.add(name=OUTPUT, datatype=TEXT_TYPE, shape=[1])
    if raw:
        made.raw_output_contents.append(raw_text(text))
    else:
        tensor.contents.bytes_contents.append(text.encode())
    return made


def metadata(name: str) -> oip.ModelMetadataResponse:
    """What goes in and what comes out of a model."""
    tensor = oip.ModelMetadataResponse.TensorMetadata
    return oip.ModelMetadataResponse(
        name=name,
        versions=[VERSION],
        platform="llama.cpp",
        inputs=[tensor(name=INPUT, datatype=TEXT_TYPE, shape=[1])],
        outputs=[tensor(name=OUTPUT, datatype=TEXT_TYPE, shape=[1])],
    )
