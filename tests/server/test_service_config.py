"""The service config that docs/scaling.md gives to clients of other languages, with gRPC's own retries."""

import json
import re
from pathlib import Path

import grpc

from tests.server.conftest import running, settings
from tests.server.fake_service import FakeService, failing
from xapp.errors import Unavailable
from xapp.inference.v1 import inference_pb2 as pb
from xapp.inference.v1 import inference_pb2_grpc
from xapp.pool import weighted

PAGE = Path(__file__).resolve().parents[2] / "docs" / "scaling.md"
NUM_CALLS = 20


def documented() -> str:
    (text,) = re.findall(r"^```json\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return str(text)


def test_it_balances_as_the_python_client_does() -> None:
    config, own = json.loads(documented()), weighted(told_apart=True)
    assert config["loadBalancingConfig"][0] == own["loadBalancingConfig"][0]
    assert config["healthCheckConfig"] == own["healthCheckConfig"]


async def test_grpc_itself_asks_again_what_was_refused() -> None:
    refusing, serving = FakeService(script=failing(Unavailable("away"))), FakeService()
    async with running(refusing, settings()) as first, running(serving, settings()) as second:
        name = f"ipv4:127.0.0.1:{first.port},127.0.0.1:{second.port}"
        options = (("grpc.service_config", documented()), ("grpc.enable_http_proxy", 0))
        async with grpc.aio.insecure_channel(name, options=options) as channel:
            stub: inference_pb2_grpc.InferenceServiceAsyncStub
            stub = inference_pb2_grpc.InferenceServiceStub(channel)
            num_calls = answered = 0
            while not (refusing.requests and answered >= NUM_CALLS):
                num_calls += 1
                try:
                    async for _ in stub.Generate(pb.GenerateRequest(prompt="x"), timeout=20):
                        pass
                    answered += 1
                except grpc.aio.AioRpcError as error:
                    # Both attempts went to the node that refuses, while the other one was not connected yet.
                    if error.code() is not grpc.StatusCode.UNAVAILABLE:
                        raise
    assert len(refusing.requests) + len(serving.requests) > num_calls
