"""The Open Inference Protocol ↔ requests of this service. A text goes in, a text comes out.

Tensors: `text_input` and `text_output`, datatype BYTES, one element. Raw contents are a length of 4 bytes,
little-endian, before the bytes of the element.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from xapp.errors import InvalidArgument, NotFound
from xapp.inference.v1 import inference_pb2 as pb
from xapp.kserve import open_inference_pb2 as oip
from xapp.near import did_you_mean
from xapp.server.field_names import FieldNames

INPUT, OUTPUT, TEXT_TYPE = "text_input", "text_output", "BYTES"
VERSION = "1"
_SHAPES = ([1], [1, 1])
_LENGTH_BYTES = 4
_SHOWN_CHARS = 64
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
    for output in wire.outputs:
        if output.name != OUTPUT:
            raise InvalidArgument("outputs", f"there is no output {_shown(output.name)}: only {OUTPUT}")
    text, raw = _text(wire)
    request = pb.GenerateRequest(model=wire.model_name)
    _FORMS[_bool(wire.parameters, "chat")](request, text)
    for name, parameter in wire.parameters.items():
        _set(request, name, parameter)
    return Inference(request, raw)


def check_version(version: str) -> None:
    """A model has one version. Raises NotFound."""
    if version not in ("", VERSION):
        raise NotFound(f"no version {_shown(version)}: a model has the version {VERSION}")


def _text(wire: oip.ModelInferRequest) -> tuple[str, bool]:
    if [each.name for each in wire.inputs] != [INPUT]:
        raise InvalidArgument("inputs", f"need {INPUT} and no other tensor")
    (tensor,) = wire.inputs
    if tensor.datatype != TEXT_TYPE or list(tensor.shape) not in _SHAPES:
        raise InvalidArgument(f"inputs.{INPUT}", f"needs the datatype {TEXT_TYPE} and the shape [1]")
    raw = bool(wire.raw_input_contents)
    data = _raw_element(wire.raw_input_contents) if raw else _element(tensor.contents)
    try:
        return data.decode(), raw
    except UnicodeDecodeError as error:
        raise InvalidArgument(f"inputs.{INPUT}", f"is not UTF-8: {error.reason}") from error


def _element(contents: oip.InferTensorContents) -> bytes:
    if len(contents.bytes_contents) != 1:
        raise InvalidArgument(f"inputs.{INPUT}", "needs one element in bytes_contents")
    return contents.bytes_contents[0]


def _raw_element(raw: Any) -> bytes:
    data: bytes = raw[0]
    length = int.from_bytes(data[:_LENGTH_BYTES], "little")
    if len(raw) != 1 or len(data) != _LENGTH_BYTES + length:
        raise InvalidArgument(
            "raw_input_contents", "needs one element: its length in 4 bytes, then its bytes"
        )
    return data[_LENGTH_BYTES:]


def _as_prompt(request: pb.GenerateRequest, text: str) -> None:
    request.prompt = text


def _as_chat(request: pb.GenerateRequest, text: str) -> None:
    request.chat.messages.add(role="user", content=text)


_FORMS: Mapping[bool, Callable[[pb.GenerateRequest, str], None]] = {
    False: _as_prompt,
    True: _as_chat,
}


def _bool(parameters: Mapping[str, oip.InferParameter], name: str) -> bool:
    return name in parameters and _value(name, parameters[name], bool)


def _value(name: str, parameter: oip.InferParameter, kind: type) -> Any:
    chosen = parameter.WhichOneof("parameter_choice")
    value = getattr(parameter, chosen) if chosen else None
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind:
        raise InvalidArgument(f"parameters.{name}", f"needs a value of the type {kind.__name__}")
    return value


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
    name = f"PRIORITY_{value.upper()}"
    if name not in pb.Priority.keys()[1:]:  # without UNSPECIFIED
        raise InvalidArgument("parameters.priority", "is critical, interactive or batch")
    request.priority = pb.Priority.Value(name)


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


def _set(request: pb.GenerateRequest, name: str, parameter: oip.InferParameter) -> None:
    known = _PARAMETERS.get(name)
    if known is None:
        near = did_you_mean(name, set(_PARAMETERS))
        raise InvalidArgument("parameters", f"there is no parameter {_shown(name)}{near}")
    value = _value(name, parameter, known.kind)
    try:
        known.put(request, value)
    except ValueError as error:
        raise InvalidArgument(f"parameters.{name}", "is out of range") from error


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…")


def answer(wire: oip.ModelInferRequest, model: str, text: str, *, raw: bool) -> oip.ModelInferResponse:
    """A text as the output tensor, in the form in which the input came."""
    made = oip.ModelInferResponse(model_name=model, model_version=VERSION, id=wire.id)
    tensor = made.outputs.add(name=OUTPUT, datatype=TEXT_TYPE, shape=[1])
    data = text.encode()
    if raw:
        made.raw_output_contents.append(len(data).to_bytes(_LENGTH_BYTES, "little") + data)
    else:
        tensor.contents.bytes_contents.append(data)
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
