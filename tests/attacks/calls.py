"""Attacks made of calls: well-formed gRPC whose content is the matter, or whose number."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from itertools import count
from typing import Any

import grpc
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.attacks.attack import Place, attack, crowd
from xapp.inference.v1 import inference_pb2 as pb
from xapp.inference.v1 import inference_pb2_grpc, models_pb2, models_pb2_grpc

_OWN = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_send_message_length", -1)]
_number = count()


@contextlib.asynccontextmanager
async def _channel(place: Place) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(place.target, options=_OWN) as channel:
        yield channel


async def _generate(channel: grpc.aio.Channel, **fields: Any) -> None:
    request = pb.GenerateRequest(**fields)
    with contextlib.suppress(grpc.aio.AioRpcError):
        async for _ in inference_pb2_grpc.InferenceServiceStub(channel).Generate(request, timeout=30):
            pass


async def _tokenize(channel: grpc.aio.Channel, **fields: Any) -> None:
    with contextlib.suppress(grpc.aio.AioRpcError):
        await inference_pb2_grpc.InferenceServiceStub(channel).Tokenize(
            pb.TokenizeRequest(**fields), timeout=30
        )


async def _at_once(place: Place, number: int, call: Callable[[grpc.aio.Channel], Any]) -> None:
    async with _channel(place) as channel:
        await crowd(number, lambda: call(channel))


@attack("400,000 empty chat messages")
async def empty_messages(place: Place) -> None:
    chat = pb.Chat(messages=[pb.Message()] * 400_000)
    await _at_once(place, 4, lambda channel: _generate(channel, chat=chat))


@attack("27,000 letters, and 1 MB of one class of characters")
async def letters(place: Place) -> None:
    async def both(channel: grpc.aio.Channel) -> None:
        for text in ("a" * 27_000, "é" * 500_000, "." * 1_000_000, " " * 1_000_000):
            await _tokenize(channel, prompt=text)

    await _at_once(place, 4, both)


@attack("Tokenize of 1 MB, 8 at once")
async def large_texts(place: Place) -> None:
    text = "the quick brown fox, 0123456789; " * 30_000
    await _at_once(place, 8, lambda channel: _tokenize(channel, prompt=text))


@attack("messages of 3.9 MB, 100 at once")
async def large_messages(place: Place) -> None:
    await _at_once(place, 100, lambda channel: _generate(channel, prompt="x" * 3_900_000))


@attack("4,000 reflection streams")
async def reflection(place: Place) -> None:
    request = reflection_pb2.ServerReflectionRequest(list_services="")

    async def one(channel: grpc.aio.Channel) -> None:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        stream = stub.ServerReflectionInfo(timeout=30)
        await stream.write(request)
        while await stream.read() is not grpc.aio.EOF:
            pass

    await asyncio.gather(*(_at_once(place, 1000, one) for _ in range(4)))


@attack("4,000 streams of Health.Watch and Metrics")
async def watchers(place: Place) -> None:
    async def one(channel: grpc.aio.Channel) -> None:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=30)
        metrics = inference_pb2_grpc.InferenceServiceStub(channel).Metrics(pb.MetricsRequest(), timeout=30)
        for stream in (watch, metrics):
            async for _ in stream:
                pass

    await asyncio.gather(*(_at_once(place, 1000, one) for _ in range(4)))


@attack("long metadata")
async def metadata(place: Place) -> None:
    fields = tuple((f"x-{number}", "y" * 400) for number in range(15))

    async def one(channel: grpc.aio.Channel) -> None:
        call: Any = channel.unary_unary("/no.such/Method")
        await call(b"", metadata=fields, timeout=30)

    await _at_once(place, 200, one)


def _tries(width: int) -> str:
    """A schema for whose answers there are `width` to the power of their depth ways to check them."""
    array = {"type": "array", "items": {"$ref": "#/$defs/a"}, "minItems": 1, "maxItems": 1}
    return json.dumps({"$ref": "#/$defs/a", "$defs": {"a": {"oneOf": [array] * width}}})


@attack("schemas whose check has no end")
async def endless_checks(place: Place) -> None:
    wanted = pb.OutputFormat(json_schema=_tries(40))
    fields = {"prompt": "[[[[", "format": wanted, "max_tokens": 60}
    await _at_once(place, 8, lambda channel: _generate(channel, **fields))


def _large_schema() -> str:
    """32 kB, another one each time."""
    number = next(_number)
    properties = {
        f"p{number}{index}": {"type": "number", "minimum": -index / 7, "maximum": 1e6 + index}
        for index in range(120)
    }
    return json.dumps({"type": "object", "properties": properties, "description": "x" * 20_000})


@attack("schemas of 32 kB, each another one, 100 at once")
async def large_schemas(place: Place) -> None:
    async def one(channel: grpc.aio.Channel) -> None:
        await _generate(
            channel, prompt="go", format=pb.OutputFormat(json_schema=_large_schema()), max_tokens=2
        )

    await _at_once(place, 100, one)


@attack("schemas with 5,000 keys, one of them twice")
async def doubled_keys(place: Place) -> None:
    text = "{" + ",".join(f'"{number}":1' for number in (*range(4000), 3999)) + "}"
    fields = {"prompt": "go", "format": pb.OutputFormat(json_schema=text)}
    await _at_once(place, 50, lambda channel: _generate(channel, **fields))


@attack("grammars that branch without end")
async def explosive_grammars(place: Place) -> None:
    text = 'root ::= ("0"{9,1000} | "00"{9,900} | "000"{9,800}){9,16} "x"'
    fields = {"prompt": "00", "format": pb.OutputFormat(grammar=text), "max_tokens": 300}
    await _at_once(place, 8, lambda channel: _generate(channel, **fields))


@attack("inputs of a task, 64 kB, 100 at once")
async def task_inputs(place: Place) -> None:
    inputs = Struct()
    anomaly: dict[str, Any] = {
        "du-id": [[[[1]]]],
        "ue-id": "x" * 100,
        "measTimeStampRf": 1,
        "Degradation": "y",
    }
    inputs.update({"anomalies": [anomaly] * 300})
    now = Timestamp()
    now.GetCurrentTime()

    async def one(channel: grpc.aio.Channel) -> None:
        await _generate(channel, task="anomaly-triage", inputs=inputs, input_timestamp=now, max_tokens=2)

    await _at_once(place, 100, one)


@attack("Score of 256 choices, 20 at once")
async def many_choices(place: Place) -> None:
    request = pb.ScoreRequest(prompt="x y " * 400, choices=[f"choice {number}" * 20 for number in range(256)])

    async def one(channel: grpc.aio.Channel) -> None:
        await inference_pb2_grpc.InferenceServiceStub(channel).Score(request, timeout=30)

    await _at_once(place, 20, one)


@attack("stop texts that nearly match")
async def near_stops(place: Place) -> None:
    stops = ["e" * 255 + chr(65 + number) for number in range(16)]
    fields = {"prompt": "eeee " * 50, "stop": stops, "max_tokens": 200, "ignore_eos": True}
    await _at_once(place, 20, lambda channel: _generate(channel, **fields))


@attack("models that are not there, and odd names")
async def odd_names(place: Place) -> None:
    async def one(channel: grpc.aio.Channel) -> None:
        stub = models_pb2_grpc.ModelServiceStub(channel)
        for name in ("../../etc/passwd", "x" * 100_000, "\x1b[2J" * 1000, "smollm2"):
            with contextlib.suppress(grpc.aio.AioRpcError):
                async for _ in stub.LoadModel(models_pb2.LoadModelRequest(name=name), timeout=30):
                    pass
            await _generate(channel, model=name, prompt="hi")

    await _at_once(place, 50, one)


@attack("3,000 requests at once")
async def flood(place: Place) -> None:
    async def one(channel: grpc.aio.Channel) -> None:
        await _generate(channel, prompt="hi", max_tokens=2)

    await asyncio.gather(*(_at_once(place, 300, one) for _ in range(10)))
