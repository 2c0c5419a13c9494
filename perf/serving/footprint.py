"""Start time and memory of `serve`, alone on the machine: a shared page would flatter it."""

from pathlib import Path

import grpc

from perf.child import Child
from perf.contenders import OurServer
from perf.memory import family, own_bytes
from perf.serving.load import Decode
from perf.serving.workload import Work
from perf.table import Sample
from xapp.inference.v1 import models_pb2 as pb
from xapp.inference.v1 import models_pb2_grpc as rpc


def measure(model: str, path: Path, round_number: int) -> list[Sample]:
    """Starts a server, lets it work a little, measures it, ends it."""
    with OurServer(model, {}) as server:
        seconds = server.wait_until_serving()
        with Child("perf.serving.load", "grpc", server.target) as client:
            client.ask(Decode(Work(num_streams=8, num_tokens=16, seed=round_number)))
        kv_bytes = _kv_bytes(server.target)
        memory = own_bytes(family(server.pid), path, kv_bytes)
    return [Sample(round_number, "start.seconds", seconds), Sample(round_number, "memory.bytes", memory)]


def _kv_bytes(target: str) -> int:
    with grpc.insecure_channel(target) as channel:
        model = rpc.ModelServiceStub(channel).GetModel(pb.GetModelRequest()).model
    return int(model.memory_bytes - model.size_bytes)
