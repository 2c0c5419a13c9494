"""The plan of a node: what each configured service takes, from settings and files alone."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.flat_settings import flat_settings
from tests.models.gguf_file import LLAMA, Value, gguf_bytes
from xapp.backend.node import this_node
from xapp.backend.sizing import MIN_CONTEXT, Node
from xapp.models.info import known_gguf
from xapp.node_plan.make_plan import plan_node, plan_of_this_node
from xapp.node_plan.planned import CpuPlace, NodePlan, PlannedService, Room
from xapp.served.dependencies import memory_need

GB = 1_000_000_000
PI = Node(memory_bytes=4 * GB, cores=4)
BERT: dict[str, Value] = {
    "general.architecture": "bert",
    "bert.pooling_type": 1,
    "bert.attention.causal": False,
    "bert.context_length": 512,
    "bert.embedding_length": 384,
    "bert.block_count": 12,
    "bert.attention.head_count": 12,
}


def model(folder: Path, name: str, num_bytes: int = 100_000_000, values: Mapping[str, Value] = LLAMA) -> None:
    """A model of that size, which takes no room on the disk."""
    (folder / f"{name}.gguf").write_bytes(gguf_bytes(values=values))
    os.truncate(folder / f"{name}.gguf", num_bytes)


def planned(folder: Path, node: Node = PI, **values: Any) -> NodePlan:
    values = {"models_dir": str(folder), "model": "text"} | values
    return plan_node(flat_settings(**values), node, 8 * GB)


def service(plan: NodePlan, name: str) -> PlannedService:
    return next(each for each in plan.services if each.name == name)


def test_a_node_without_any_extra_is_its_server_and_its_model(tmp_path: Path) -> None:
    model(tmp_path, "text")
    plan = planned(tmp_path)
    assert [each.name for each in plan.services] == ["server", "text"]
    text = service(plan, "text")
    assert (text.kind, text.key, text.threads, text.place) == ("generate", "XAPP_MODEL", 4, CpuPlace.TEXT)
    assert 100_000_000 < text.least_bytes < text.sized_bytes
    assert plan.room is Room.FITS


def test_the_least_is_never_more_than_the_check_before_a_load(tmp_path: Path) -> None:
    model(tmp_path, "text")
    model(tmp_path, "vectors", values=BERT)
    plan = planned(tmp_path, models="vectors")
    for name in ("text", "vectors"):
        own = flat_settings().of_model(name)
        assert service(plan, name).least_bytes <= memory_need(tmp_path / f"{name}.gguf", own).total_bytes


def test_a_model_is_sized_by_the_memory_that_the_others_leave(tmp_path: Path) -> None:
    model(tmp_path, "text")
    model(tmp_path, "big", 3_500_000_000)
    roomy = service(planned(tmp_path, models="big"), "text")
    assert service(planned(tmp_path, model="big", models="text"), "text").kv_cells < roomy.kv_cells
    assert roomy.kv_cells >= MIN_CONTEXT


def test_a_model_that_is_named_twice_is_loaded_once(tmp_path: Path) -> None:
    model(tmp_path, "text")
    assert len(planned(tmp_path, models="text, text").services) == 2


def test_layers_elsewhere_take_no_memory_here(tmp_path: Path) -> None:
    model(tmp_path, "text", 20 * GB)
    assert planned(tmp_path).room is Room.NONE
    assert planned(tmp_path, gpu_layers=-1).room is Room.FITS
    assert planned(tmp_path, rpc_hosts="10.0.0.2:50052").room is Room.FITS


def test_a_small_embedder_has_one_thread_and_makes_way(tmp_path: Path) -> None:
    model(tmp_path, "text")
    model(tmp_path, "vectors", values=BERT)
    vectors = service(planned(tmp_path, models="vectors"), "vectors")
    assert (vectors.kind, vectors.threads, vectors.place) == ("embedding", 1, CpuPlace.BATCH)


def test_speech_goes_before_text(tmp_path: Path) -> None:
    model(tmp_path, "text")
    (tmp_path / "whisper").mkdir()
    (tmp_path / "whisper" / "model.bin").write_bytes(bytes(1000))
    plan = planned(
        tmp_path,
        speech_recognition=str(tmp_path / "whisper"),
        speech_synthesis="hibari,espeak",
        speech_translation="apertium,llm",
    )
    spoken = [each for each in plan.services if each.kind == "speech"]
    assert [each.name for each in spoken] == ["whisper", "hibari", "espeak", "apertium"]
    assert all(each.place < service(plan, "text").place for each in spoken)
    assert service(plan, "whisper").threads == 4


def test_collections_take_their_cache(tmp_path: Path) -> None:
    plan = planned(tmp_path, retrieval_folder=str(tmp_path), retrieval_cache_bytes=123)
    assert service(plan, "collections").sized_bytes == 123
    in_database = planned(tmp_path, retrieval_url="postgresql://db/x")
    assert service(in_database, "collections").sized_bytes == 0
    assert "parser" in {each.name for each in in_database.services}


@pytest.mark.parametrize(
    "values",
    [
        {"model": "absent"},
        {"speech_recognition": "/absent", "speech_translation": "en-de=/absent"},
        {"backend": "fake"},
    ],
)
def test_what_is_not_there_is_left_to_the_start(tmp_path: Path, values: dict[str, Any]) -> None:
    assert [each.name for each in planned(tmp_path, **values).services] == ["server"]


def test_settings_that_contradict_each_other_are_left_to_the_load(tmp_path: Path) -> None:
    model(tmp_path, "text")
    assert planned(tmp_path, context_length=100_000).room is Room.FITS


def test_the_plan_of_this_node_has_this_nodes_memory(tmp_path: Path) -> None:
    plan = plan_of_this_node(flat_settings(models_dir=str(tmp_path)))
    assert 0 < plan.node.memory_bytes <= plan.total_bytes
    assert plan.node.cores == this_node().cores


def test_a_header_is_read_again_only_after_a_change(tmp_path: Path) -> None:
    model(tmp_path, "text")
    path = tmp_path / "text.gguf"
    first = known_gguf(path)
    assert known_gguf(path) is first
    model(tmp_path, "text", 200_000_000)
    assert known_gguf(path).file_size == 200_000_000
