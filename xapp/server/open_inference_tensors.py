"""Tensors and parameters of the Open Inference Protocol: texts go in, texts or vectors come out.

A text is an element of the datatype BYTES. Raw contents have a length of 4 bytes, little-endian, before the
bytes of each element.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from xapp.domain.priority import Priority
from xapp.errors import InvalidArgument, NotFound
from xapp.kserve import open_inference_pb2 as oip
from xapp.near import did_you_mean

INPUT, TEXT_TYPE = "text_input", "BYTES"
VERSION = "1"
PRIORITIES = {each.name.lower(): each for each in Priority}
"""Values of the parameter `priority`."""
_LENGTH_BYTES = 4
_SHOWN_CHARS = 64


def check_version(version: str) -> None:
    """A model has one version. Raises NotFound."""
    if version not in ("", VERSION):
        raise NotFound(f"no version {shown(version)}: a model has the version {VERSION}")


def check_outputs(wire: oip.ModelInferRequest, name: str) -> None:
    """Raises InvalidArgument for an output that the model does not have."""
    for output in wire.outputs:
        if output.name != name:
            raise InvalidArgument("outputs", f"there is no output {shown(output.name)}: only {name}")


def texts_of(wire: oip.ModelInferRequest, most: int) -> list[str]:
    """The elements of the input, 1 to `most`. Raises InvalidArgument with the tensor."""
    if [each.name for each in wire.inputs] != [INPUT]:
        raise InvalidArgument("inputs", f"need {INPUT} and no other tensor")
    (tensor,) = wire.inputs
    shape = list(tensor.shape)
    size = shape[0] if shape else 0
    if tensor.datatype != TEXT_TYPE or shape not in ([size], [size, 1]) or not 1 <= size <= most:
        wanted = "[1]" if most == 1 else f"[n], n from 1 to {most}"
        raise InvalidArgument(f"inputs.{INPUT}", f"needs the datatype {TEXT_TYPE} and the shape {wanted}")
    is_raw = bool(wire.raw_input_contents)
    elements = _raw_elements(wire.raw_input_contents, size) if is_raw else tensor.contents.bytes_contents
    if len(elements) != size:
        raise InvalidArgument(
            f"inputs.{INPUT}", f"needs {size} elements in bytes_contents, as its shape says"
        )
    try:
        return [each.decode() for each in elements]
    except UnicodeDecodeError as error:
        raise InvalidArgument(f"inputs.{INPUT}", f"is not UTF-8: {error.reason}") from error


def _raw_elements(raw: Sequence[bytes], size: int) -> list[bytes]:
    """Exactly `size` elements, and nothing behind them."""
    data, at = raw[0], 0
    found: list[bytes] = []
    while len(found) < size and at + _LENGTH_BYTES <= len(data):
        start = at + _LENGTH_BYTES
        at = start + int.from_bytes(data[at:start], "little")
        found.append(data[start:at])
    if len(raw) != 1 or len(found) != size or at != len(data):
        what = "one element" if size == 1 else f"{size} elements"
        raise InvalidArgument("raw_input_contents", f"needs {what}: a length in 4 bytes, then its bytes")
    return found


def raw_text(text: str) -> bytes:
    """A text as the only element of raw contents."""
    data = text.encode()
    return len(data).to_bytes(_LENGTH_BYTES, "little") + data


def check_parameters(parameters: Mapping[str, Any], known: Iterable[str]) -> None:
    """Raises InvalidArgument for an unknown parameter."""
    for name in parameters:
        if name not in known:
            near = did_you_mean(name, set(known))
            raise InvalidArgument("parameters", f"there is no parameter {shown(name)}{near}")


def value_of(parameters: Mapping[str, oip.InferParameter], name: str, kind: type) -> Any:
    """The value of a parameter. Raises InvalidArgument for a value that is not of that kind."""
    parameter = parameters[name]
    chosen = parameter.WhichOneof("parameter_choice")
    value = getattr(parameter, chosen) if chosen else None
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind:
        raise InvalidArgument(f"parameters.{name}", f"needs a value of the type {kind.__name__}")
    return value


def shown(text: str) -> str:
    """A stranger's text in an error."""
    return repr(text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…")


def response_to(wire: oip.ModelInferRequest, model: str) -> oip.ModelInferResponse:
    """A response without outputs."""
    return oip.ModelInferResponse(model_name=model, model_version=VERSION, id=wire.id)
