"""The Open Inference Protocol ↔ Embed. Texts go in, the vector of each comes out.

Tensors: `text_input`, datatype BYTES, n elements; `embedding`, datatype FP32, n times the model's dimensions.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from xapp.domain.embedding import MAX_TEXTS, Caller, EmbedRequest, EmbedResult, TextRole, Truncation
from xapp.errors import InvalidArgument
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
    response_to,
    texts_of,
    value_of,
)

OUTPUT, NUMBER_TYPE = "embedding", "FP32"
_TURN = 64
"""Vectors that are converted at a time: the event loop has other work."""
_ROLES = {"plain": TextRole.PLAIN, "query": TextRole.QUERY, "passage": TextRole.PASSAGE}
_TRUNCATIONS = {"none": Truncation.NONE, "start": Truncation.START, "end": Truncation.END}
_NAMES = FieldNames(
    {
        "texts": f"inputs.{INPUT}",
        "role": "parameters.role",
        "truncation": "parameters.truncation",
        "dimensions": "parameters.dimensions",
    }
)
names_of_the_protocol = _NAMES.applied
"""An InvalidArgument names the field as the Open Inference Protocol calls it."""

_T = TypeVar("_T")
Parameters = Mapping[str, oip.InferParameter]
_PARAMETERS = ("role", "truncation", "normalize", "dimensions", "priority")


def to_embed(wire: oip.ModelInferRequest, caller: Caller) -> EmbedRequest:
    """The caller's class is that of the request.

    Raises InvalidArgument with the tensor or the parameter, NotFound for an unknown version.
    """
    check_version(wire.model_version)
    check_outputs(wire, OUTPUT)
    parameters = wire.parameters
    check_parameters(parameters, _PARAMETERS)
    return EmbedRequest(
        texts=tuple(texts_of(wire, MAX_TEXTS)),
        model=wire.model_name,
        role=_named(parameters, "role", _ROLES, TextRole.PLAIN),
        truncation=_named(parameters, "truncation", _TRUNCATIONS, Truncation.NONE),
        normalized=value_of(parameters, "normalize", bool) if "normalize" in parameters else True,
        dimensions=_dimensions(parameters),
        caller=replace(caller, priority=_named(parameters, "priority", PRIORITIES, caller.priority)),
    )


def _named(parameters: Parameters, name: str, known: Mapping[str, _T], default: _T) -> _T:
    if name not in parameters:
        return default
    value = value_of(parameters, name, str)
    if value not in known:
        raise InvalidArgument(f"parameters.{name}", f"is one of {', '.join(known)}")
    return known[value]


def _dimensions(parameters: Parameters) -> int | None:
    if "dimensions" not in parameters:
        return None
    value: int = value_of(parameters, "dimensions", int)
    if value < 1:
        raise InvalidArgument("parameters.dimensions", f"must be at least 1, is {value}")
    return value


async def vectors(wire: oip.ModelInferRequest, result: EmbedResult) -> oip.ModelInferResponse:
    """The vectors as the output tensor, in the form in which the input came."""
    made = response_to(wire, result.model)
    shape = [len(result.texts), result.dimensions]
    tensor = made.outputs.add(name=OUTPUT, datatype=NUMBER_TYPE, shape=shape)
    if wire.raw_input_contents:
        made.raw_output_contents.append(b"".join(each.vector for each in result.texts))
        return made
    for start in range(0, len(result.texts), _TURN):
        for each in result.texts[start : start + _TURN]:
            tensor.contents.fp32_contents.extend(each.values)
        await asyncio.sleep(0)
    return made


def metadata(name: str, dimensions: int) -> oip.ModelMetadataResponse:
    """What goes in and what comes out of an embedding model. -1: as many as there are."""
    tensor = oip.ModelMetadataResponse.TensorMetadata
    return oip.ModelMetadataResponse(
        name=name,
        versions=[VERSION],
        platform="llama.cpp",
        inputs=[tensor(name=INPUT, datatype=TEXT_TYPE, shape=[-1])],
        outputs=[tensor(name=OUTPUT, datatype=NUMBER_TYPE, shape=[-1, dimensions or -1])],
    )
