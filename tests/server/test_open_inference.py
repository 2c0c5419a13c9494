"""The Open Inference Protocol over gRPC, on the scripted service."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.server.conftest import running, settings
from tests.server.fake_service import MODEL, FakeService, endless, failing
from tests.server.test_access import bearer, secured
from xapp.errors import Exhausted
from xapp.kserve import open_inference_pb2 as oip
from xapp.kserve import open_inference_pb2_grpc

OIP = "inference.GRPCInferenceService"


@contextlib.asynccontextmanager
async def connected(service: FakeService, configured: Any = None) -> AsyncIterator[Any]:
    configured = configured or settings(open_inference=True)
    async with running(service, configured) as node:
        yield open_inference_pb2_grpc.GRPCInferenceServiceStub(node.channel)


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@pytest.fixture
async def stub(service: FakeService) -> AsyncIterator[Any]:
    async with connected(service) as stub:
        yield stub


def asking(
    text: bytes = b"hi", *, raw: bool = False, model: str = "", **parameters: Any
) -> oip.ModelInferRequest:
    request = oip.ModelInferRequest(model_name=model, id="7")
    tensor = request.inputs.add(name="text_input", datatype="BYTES", shape=[1])
    if raw:
        request.raw_input_contents.append(len(text).to_bytes(4, "little") + text)
    else:
        tensor.contents.bytes_contents.append(text)
    for name, value in parameters.items():
        kind = {bool: "bool_param", int: "int64_param", str: "string_param", float: "double_param"}[
            type(value)
        ]
        setattr(request.parameters[name], kind, value)
    return request


async def refusal(call: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code(), caught.value.details() or ""


async def test_it_is_off_by_default() -> None:
    async with connected(FakeService(), settings()) as stub:
        code, _ = await refusal(stub.ServerLive(oip.ServerLiveRequest()))
    assert code is grpc.StatusCode.UNIMPLEMENTED


async def test_health_and_metadata(stub: Any, service: FakeService) -> None:
    assert (await stub.ServerLive(oip.ServerLiveRequest())).live
    assert (await stub.ServerReady(oip.ServerReadyRequest())).ready
    service.set_ready(False)
    assert not (await stub.ServerReady(oip.ServerReadyRequest())).ready
    assert (await stub.ServerMetadata(oip.ServerMetadataRequest())).name == "genai-xapp"
    ready = {name: (await stub.ModelReady(oip.ModelReadyRequest(name=name))).ready for name in (MODEL, "no")}
    assert ready == {MODEL: True, "no": False}
    facts = await stub.ModelMetadata(oip.ModelMetadataRequest(name=MODEL, version="1"))
    assert (facts.inputs[0].name, facts.outputs[0].datatype, list(facts.versions)) == (
        "text_input",
        "BYTES",
        ["1"],
    )
    code, _ = await refusal(stub.ModelMetadata(oip.ModelMetadataRequest(name=MODEL, version="2")))
    assert code is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("raw", [False, True])
async def test_infer_answers_in_the_form_of_the_question(raw: bool, stub: Any, service: FakeService) -> None:
    response = await stub.ModelInfer(asking("grüß".encode(), raw=raw, max_tokens=5, temperature=1))
    data = response.raw_output_contents[0][4:] if raw else response.outputs[0].contents.bytes_contents[0]
    assert (data, response.id, response.model_name, response.model_version) == (b"Hello", "7", MODEL, "1")
    assert response.parameters["finish_reason"].string_param == "stop"
    asked = service.requests[0]
    assert (asked.prompt, asked.max_tokens, asked.sampling.temperature) == ("grüß", 5, 1.0)


async def test_a_chat(stub: Any, service: FakeService) -> None:
    await stub.ModelInfer(asking(b"hi", chat=True, priority="batch", stop="."))
    prompt = service.requests[0].prompt
    assert not isinstance(prompt, str)
    assert [(each.role, each.content) for each in prompt] == [("user", "hi")]
    assert (service.requests[0].priority.name, list(service.requests[0].stop)) == ("BATCH", ["."])


async def test_a_stream_of_several_requests(stub: Any, service: FakeService) -> None:
    requests = [asking(), asking(colour="red"), asking()]
    responses = [each async for each in stub.ModelStreamInfer(iter_of(requests))]
    texts = [b"".join(each.infer_response.outputs[0].contents.bytes_contents) for each in responses[:3]]
    assert texts == [b"Hel", b"lo", b""]
    assert [bool(each.error_message) for each in responses] == [False] * 3 + [True] + [False] * 3
    assert "INVALID_ARGUMENT: parameters" in responses[3].error_message
    final = [each.infer_response.parameters["triton_final_response"].bool_param for each in responses]
    assert final == [False, False, True, False, False, False, True]


async def iter_of(requests: list[oip.ModelInferRequest]) -> AsyncIterator[oip.ModelInferRequest]:
    for each in requests:
        yield each


async def test_a_client_that_goes_ends_the_work() -> None:
    service = FakeService(endless("x"))
    async with connected(service) as stub:
        call = stub.ModelStreamInfer(iter_of([asking()]))
        await call.read()
        call.cancel()
        await service.closed.wait()


def spoilt(**changes: Any) -> oip.ModelInferRequest:
    request = asking()
    for name, value in changes.items():
        setattr(request.inputs[0], name, value)
    return request


def with_outputs(name: str) -> oip.ModelInferRequest:
    request = asking()
    request.outputs.add(name=name)
    return request


@pytest.mark.parametrize(
    ("request_", "word"),
    [
        (oip.ModelInferRequest(), "inputs"),
        (spoilt(name="x"), "text_input"),
        (spoilt(datatype="FP32"), "BYTES"),
        (with_outputs("logits"), "logits"),
        (asking(b"\xff"), "UTF-8"),
        (asking(max_tokens="many"), "max_tokens"),
        (asking(max_tokens=True), "max_tokens"),
        (asking(max_tokens=2**40), "max_tokens"),
        (asking(temperature=-1.0), "parameters.temperature"),
        (asking(max_tokens=-1), "parameters.max_tokens"),
        (asking(stop=""), "parameters.stop"),
        (asking(json_schema=" "), "parameters.json_schema"),
        (asking(b""), "inputs.text_input"),
        (asking(priority="unspecified"), "parameters.priority"),
        (asking(max_token=3), "did you mean max_tokens"),
        (asking(priority="first"), "priority"),
        (asking(priority="BATCH"), "parameters.priority"),
        (oip.ModelInferRequest(inputs=asking().inputs, raw_input_contents=[b"\x09\0\0\0hi"]), "length"),
        (oip.ModelInferRequest(inputs=asking().inputs, raw_input_contents=[b""]), "length"),
        (oip.ModelInferRequest(inputs=asking().inputs, raw_input_contents=[b"", b""]), "length"),
    ],
)
async def test_what_is_wrong_is_named(request_: oip.ModelInferRequest, word: str, stub: Any) -> None:
    code, text = await refusal(stub.ModelInfer(request_))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert word in text


async def test_refusals_of_the_service_are_statuses() -> None:
    async with connected(FakeService(failing(Exhausted("full", reason="QUEUE_FULL")))) as stub:
        assert (await refusal(stub.ModelInfer(asking())))[0] is grpc.StatusCode.RESOURCE_EXHAUSTED


POLICY = """
[planner]
methods = ["ModelInfer", "ModelStreamInfer"]
models = ["tiny"]
[guest]
models = ["other"]
"""


async def test_the_access_policy_holds(tmp_path: Path) -> None:
    async with connected(FakeService(), secured(tmp_path, POLICY, open_inference=True)) as stub:
        assert (await refusal(stub.ModelInfer(asking())))[0] is grpc.StatusCode.UNAUTHENTICATED
        assert (await stub.ModelInfer(asking(), metadata=bearer("planner"))).id == "7"
        denied = grpc.StatusCode.PERMISSION_DENIED
        assert (await refusal(stub.ModelInfer(asking(), metadata=bearer("guest"))))[0] is denied
        live = stub.ServerLive(oip.ServerLiveRequest(), metadata=bearer("planner"))
        assert (await refusal(live))[0] is denied
        call = stub.ModelStreamInfer(iter_of([asking()]), metadata=bearer("guest"))
        assert "PERMISSION_DENIED" in (await call.read()).error_message
