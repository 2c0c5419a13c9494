"""A settings file with a table for each of two models, on a real node."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
import pytest

from tests.e2e.caller import Caller, calling
from tests.e2e.test_bad_files import link
from tests.live import LiveServer, serving
from tests.server.rich import details_of
from xapp.inference.v1 import inference_pb2 as pb

pytestmark = pytest.mark.slow

SETTINGS = """
[node]
model = "first"
models_dir = {folder}

[engine]
slots = 4
kv_cells = 1024

[models.first]
slots = 1
kv_cells = 512

[models.second]
context_length = 256
threads = 1
kv_type = "q8_0"

[models.vectors]
kind = "embedding"

[models.secnod]
slots = 2
"""


@pytest.fixture(scope="module")
def server(shallow_model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder = tmp_path_factory.mktemp("models")
    for name in ("first", "second", "vectors"):
        link(shallow_model_path, folder / f"{name}.gguf")
    file = folder / "settings.toml"
    file.write_text(SETTINGS.format(folder=json.dumps(str(folder))))
    # The environment holds for all models: what a table says counts before it.
    with serving({"XAPP_CONFIG_FILE": str(file), "XAPP_SLOTS": "3", "XAPP_THREADS": "2"}) as server:
        yield server


@pytest.fixture
async def caller(server: LiveServer) -> AsyncIterator[Caller]:
    async with calling(server) as caller:
        yield caller


async def test_each_model_has_its_own_sizes(caller: Caller) -> None:
    first = await caller.model()
    assert (first.name, first.num_slots, first.kv_cells_total, first.kv_type) == ("first", 1, 512, "f16")
    second = (await caller.load("second"))[-1].model
    assert (second.num_slots, second.kv_cells_total, second.kv_type) == (3, 1024, "q8_0")
    assert (second.context_length, second.num_threads) == (256, 1)
    assert await caller.text(pb.GenerateRequest(model="second", prompt="The sea is", max_tokens=4))


async def test_a_model_of_another_kind_refuses_to_generate(caller: Caller) -> None:
    await caller.load("vectors")
    error = await caller.refused(pb.GenerateRequest(model="vectors", prompt="hi"))
    assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert details_of(error).info.reason == "UNSUPPORTED_MODEL"


def test_a_table_of_a_model_that_is_not_here_is_a_warning(server: LiveServer) -> None:
    (record,) = [each for each in server.records() if each.get("event") == "unused_model_settings"]
    assert (record["level"], record["model"]) == ("warning", "secnod")
    assert "did you mean second?" in record["msg"]
