"""A client sees where the layers of a model are."""

import msgspec

from tests.server.fake_service import INFO
from xapp.domain.messages import Shard
from xapp.domain.states import ModelState, ModelStatus
from xapp.server.respond import model


def test_the_places_of_the_layers() -> None:
    shards = (
        Shard("", 0, 4, weight_bytes=400, kv_bytes=40, bytes_per_s=1e10),
        Shard("node-b:50052", 4, 26, weight_bytes=2600, kv_bytes=260, bytes_per_s=2e10),
    )
    info = msgspec.structs.replace(INFO, shards=shards)
    here, there = model(ModelStatus("big", ModelState.READY, info=info)).shards
    assert (here.host, here.first_layer, here.num_layers, here.memory_bytes) == ("", 0, 4, 440)
    assert (there.host, there.first_layer, there.num_layers) == ("node-b:50052", 4, 26)
    assert (there.memory_bytes, there.bytes_per_second) == (2860, 2e10)


def test_a_model_on_this_node_alone_has_none() -> None:
    assert not model(ModelStatus("small", ModelState.READY, info=INFO)).shards
