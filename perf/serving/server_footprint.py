"""Start time and memory of `serve`, alone on the machine: a shared page would flatter it."""

import urllib.request
from pathlib import Path
from typing import NamedTuple

import grpc
from prometheus_client.parser import text_string_to_metric_families

from perf.bar_table import Sample
from perf.callers.callers import Callers
from perf.callers.load_commands import Decode, ServerAddress
from perf.callers.prompt_texts import Work
from perf.callers.text_maker import TextMaker
from perf.process_memory import family, own_bytes
from perf.process_under_test import START_TIMEOUT_S
from perf.server_processes import OurServer
from xapp.inference.v1 import models_pb2 as pb
from xapp.inference.v1 import models_pb2_grpc as rpc

PARKED_GAUGE = "ricxapp_genai_kv_cells_parked"


def measure(model: str, path: Path, round_number: int) -> list[Sample]:
    """Starts a server, lets it work a little, measures it, ends it."""
    with OurServer(model, {}) as server:
        seconds = server.wait_until_serving()
        work = Work(num_streams=8, num_tokens=16, seed=round_number)
        with TextMaker(server.target) as texts, Callers(ServerAddress(grpc=server.target)) as callers:
            callers.play(Decode(texts.make(lambda made: made.of(work)), work.num_tokens))
        kv = _kv(server.target)
        memory = own_bytes(family(server.pid), path, kv.bytes)
        parked = _parked_cells(server.http_target) * kv.bytes / kv.cells
    return [
        Sample(round_number, "start.seconds", seconds),
        Sample(round_number, "memory.bytes", memory),
        Sample(round_number, "memory.parked_bytes", parked),
    ]


class _Kv(NamedTuple):
    """The cache as it is allocated."""

    bytes: int
    cells: int


def _kv(target: str) -> _Kv:
    with grpc.insecure_channel(target) as channel:
        model = rpc.ModelServiceStub(channel).GetModel(pb.GetModelRequest()).model
    return _Kv(int(model.memory_bytes - model.size_bytes), int(model.kv_cells_total))


def _parked_cells(target: str) -> float:
    """Tokens of prefixes that left the cache for ordinary memory; `memory.bytes` has them in it."""
    with urllib.request.urlopen(f"http://{target}/metrics", timeout=START_TIMEOUT_S) as page:
        families = text_string_to_metric_families(page.read().decode())
    return sum(each.value for family in families for each in family.samples if each.name == PARKED_GAUGE)
