"""The Open Inference Protocol on an embedding model: texts become vectors, and what is wrong is named."""

import struct
from array import array
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fake_embedding import DIMENSIONS, MODEL, vector_of
from tests.server.conftest import settings
from tests.server.fake_service import FakeService
from tests.server.test_access import bearer, secured
from tests.server.test_open_inference import connected, iter_of, refusal
from xapp.domain.embedding import TextRole, Truncation
from xapp.domain.messages import Priority
from xapp.domain.states import ModelState, ModelStatus
from xapp.errors import Exhausted, InvalidArgument
from xapp.kserve import open_inference_pb2 as oip
from xapp.server.open_inference_embed import is_embedder
from xapp.server.open_inference_tensors import texts_of

KINDS = {bool: "bool_param", int: "int64_param", str: "string_param", float: "double_param"}


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@pytest.fixture
async def stub(service: FakeService) -> AsyncIterator[Any]:
    async with connected(service) as stub:
        yield stub


def asking(
    *texts: bytes, raw: bool = False, shape: list[int] | None = None, **parameters: Any
) -> oip.ModelInferRequest:
    request = oip.ModelInferRequest(model_name=MODEL, id="7")
    tensor = request.inputs.add(name="text_input", datatype="BYTES", shape=shape or [len(texts)])
    if raw:
        request.raw_input_contents.append(b"".join(struct.pack("<I", len(each)) + each for each in texts))
    else:
        tensor.contents.bytes_contents.extend(texts)
    for name, value in parameters.items():
        setattr(request.parameters[name], KINDS[type(value)], value)
    return request


def numbers_of(response: oip.ModelInferResponse) -> list[float]:
    if response.raw_output_contents:
        return list(array("f", response.raw_output_contents[0]))
    return list(response.outputs[0].contents.fp32_contents)


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("shape", [[130], [130, 1]])
async def test_each_text_has_its_vector_in_the_form_of_the_question(
    raw: bool, shape: list[int], stub: Any
) -> None:
    texts = [f"cell {number} is down" for number in range(130)]
    response = await stub.ModelInfer(asking(*(each.encode() for each in texts), raw=raw, shape=shape))
    (output,) = response.outputs
    assert (output.name, output.datatype, list(output.shape)) == ("embedding", "FP32", [130, DIMENSIONS])
    assert (response.id, response.model_name, response.model_version) == ("7", MODEL, "1")
    expected = [number for text in texts for number in vector_of(text)]
    assert numbers_of(response) == pytest.approx(expected)
    assert bool(response.raw_output_contents) is raw


async def test_everything_asked_arrives(stub: Any, service: FakeService) -> None:
    request = asking(b"a", role="query", truncation="start", normalize=False, dimensions=32, priority="batch")
    await stub.ModelInfer(request, timeout=30)
    (asked,) = service.vectors.embedded
    assert (asked.texts, asked.model, asked.role) == (("a",), MODEL, TextRole.QUERY)
    assert (asked.truncation, asked.normalized, asked.dimensions) == (Truncation.START, False, 32)
    assert asked.caller.priority is Priority.BATCH
    assert asked.caller.deadline is not None


async def test_defaults(stub: Any, service: FakeService) -> None:
    await stub.ModelInfer(asking(b"a"))
    (asked,) = service.vectors.embedded
    assert (asked.role, asked.truncation, asked.normalized) == (TextRole.PLAIN, Truncation.NONE, True)
    assert (asked.dimensions, asked.caller.priority) == (None, Priority.INTERACTIVE)


async def test_the_metadata_are_those_of_vectors(stub: Any) -> None:
    facts = await stub.ModelMetadata(oip.ModelMetadataRequest(name=MODEL))
    assert [(each.name, each.datatype, list(each.shape)) for each in facts.inputs] == [
        ("text_input", "BYTES", [-1])
    ]
    assert [(each.name, each.datatype, list(each.shape)) for each in facts.outputs] == [
        ("embedding", "FP32", [-1, DIMENSIONS])
    ]
    assert (await stub.ModelReady(oip.ModelReadyRequest(name=MODEL))).ready


async def test_a_stream_has_one_response_a_request_and_goes_on_after_an_error(stub: Any) -> None:
    requests = [asking(b"a"), asking(b"a", colour="red"), asking(b"b", b"c")]
    responses = [each async for each in stub.ModelStreamInfer(iter_of(requests))]
    assert [bool(each.error_message) for each in responses] == [False, True, False]
    shapes = [list(responses[at].infer_response.outputs[0].shape) for at in (0, 2)]
    assert shapes == [[1, DIMENSIONS], [2, DIMENSIONS]]
    assert all(responses[at].infer_response.parameters["triton_final_response"].bool_param for at in (0, 2))


def with_output(name: str) -> oip.ModelInferRequest:
    request = asking(b"a")
    request.outputs.add(name=name)
    return request


def with_raw(*raw: bytes, size: int = 2) -> oip.ModelInferRequest:
    request = asking(shape=[size])
    request.raw_input_contents.extend(raw)
    return request


def retyped(datatype: str) -> oip.ModelInferRequest:
    request = asking(b"a")
    request.inputs[0].datatype = datatype
    return request


A = b"\1\0\0\0a"


@pytest.mark.parametrize(
    ("request_", "word"),
    [
        (asking(b"a", b""), "inputs.text_input[1]"),
        (asking(b"a", b"\xff"), "UTF-8"),
        (asking(b"a", shape=[2]), "2 elements"),
        (asking(b"a", b"b", shape=[1]), "1 elements"),
        (asking(b"a", shape=[1, 2]), "shape"),
        (asking(b"a", shape=[-1]), "shape"),
        (asking(shape=[2**40]), "shape"),
        (oip.ModelInferRequest(model_name=MODEL), "inputs"),
        (retyped("FP32"), "BYTES"),
        (with_output("text_output"), "embedding"),
        (with_raw(A), "2 elements"),
        (with_raw(A, A), "2 elements"),
        (with_raw(A + A + A), "2 elements"),
        (with_raw(A + b"\xff\xff\xff\xffa"), "2 elements"),
        (with_raw(A + A[:3]), "2 elements"),
        (asking(b"a", role="judge"), "parameters.role"),
        (asking(b"a", truncation="middle"), "parameters.truncation"),
        (asking(b"a", normalize="yes"), "parameters.normalize"),
        (asking(b"a", dimensions=0), "parameters.dimensions"),
        (asking(b"a", priority="first"), "parameters.priority"),
        (asking(b"a", priority="BATCH"), "parameters.priority"),
        (asking(b"a", max_tokens=3), "no parameter 'max_tokens'"),
    ],
)
async def test_what_is_wrong_is_named(request_: oip.ModelInferRequest, word: str, stub: Any) -> None:
    code, text = await refusal(stub.ModelInfer(request_))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert word in text


@given(st.binary(max_size=64), st.integers(1, 8))
def test_whatever_raw_contents_are_they_are_texts_or_refused(data: bytes, size: int) -> None:
    try:
        texts = texts_of(with_raw(data, size=size), most=8)
    except InvalidArgument:
        return
    assert b"".join(struct.pack("<I", len(each.encode())) + each.encode() for each in texts) == data


async def test_an_answer_that_no_message_has_room_for_is_refused_before_it_is_computed() -> None:
    service = FakeService()
    small = settings(open_inference=True, max_message_bytes=65_536)
    async with connected(service, small) as stub:
        code, text = await refusal(stub.ModelInfer(asking(*[b"a"] * 1000)))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "inputs.text_input" in text
    assert not service.vectors.embedded


async def test_refusals_of_the_service_are_statuses() -> None:
    service = FakeService()
    service.vectors.error = Exhausted("full", reason="QUEUE_FULL")
    async with connected(service) as stub:
        assert (await refusal(stub.ModelInfer(asking(b"a"))))[0] is grpc.StatusCode.RESOURCE_EXHAUSTED


POLICY = f"""
[planner]
methods = ["ModelInfer"]
models = ["{MODEL}"]
priorities = ["batch"]
[guest]
models = ["tiny"]
"""


async def test_the_access_policy_holds(tmp_path: Path) -> None:
    denied = grpc.StatusCode.PERMISSION_DENIED
    async with connected(FakeService(), secured(tmp_path, POLICY, open_inference=True)) as stub:
        batch = asking(b"a", priority="batch")
        assert (await stub.ModelInfer(batch, metadata=bearer("planner"))).id == "7"
        assert (await refusal(stub.ModelInfer(asking(b"a"), metadata=bearer("planner"))))[0] is denied
        assert (await refusal(stub.ModelInfer(batch, metadata=bearer("guest"))))[0] is denied


@pytest.mark.parametrize(("name", "embeds"), [(MODEL, True), ("tiny", False)])
def test_the_nodes_embedding_model_is_known_while_it_is_loaded(name: str, embeds: bool) -> None:
    """So that callers are told to wait, and not that the model generates no text."""
    assert is_embedder(FakeService(), ModelStatus(name, ModelState.LOADING)) is embeds
