"""Speculation over gRPC on the default model: the strategy of a request, of a model, and a draft model."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.e2e.caller import Caller, calling, counted, text_of
from tests.live import LiveServer, serving
from xapp.inference.v1 import inference_pb2 as pb

pytestmark = pytest.mark.slow

LIST = "".join(f"Cell {n} reports its load every {n * 7} seconds.\n" for n in range(1, 6)) + "Cell 6"
STRATEGIES = {
    "ngram": pb.DecodingStrategy(ngram=pb.NgramSpeculation()),
    "draft": pb.DecodingStrategy(draft=pb.DraftSpeculation()),
    "auto": pb.DecodingStrategy(auto=pb.AutoDecoding()),
}


@pytest.fixture(scope="module")
def server(default_model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """The model guesses for itself, under another name."""
    little = tmp_path_factory.mktemp("draft") / "little.gguf"
    little.symlink_to(default_model_path)
    environ = {
        "XAPP_MODEL": str(default_model_path),
        "XAPP_DRAFT_MODEL": str(little),
        "XAPP_STRATEGY": "auto",
    }
    with serving(environ) as server:
        yield server


@pytest.fixture
async def caller(server: LiveServer) -> AsyncIterator[Caller]:
    async with calling(server) as caller:
        yield caller


async def test_every_strategy_answers_alike_and_counts_its_guesses(caller: Caller) -> None:
    plain = pb.DecodingStrategy(plain=pb.PlainDecoding())
    wanted = await caller.text(pb.GenerateRequest(prompt=LIST, max_tokens=24, strategy=plain))
    for strategy in STRATEGIES.values():
        events = await caller.generate(pb.GenerateRequest(prompt=LIST, max_tokens=24, strategy=strategy))
        assert text_of(events)[:8] == wanted[:8]
        counts = events[-1].finished.speculation
        assert 0 <= counts.num_accepted_tokens <= counts.num_drafted_tokens
        assert (counts.num_steps > 0) == (counts.num_drafted_tokens > 0)
    sample = await caller.sample()
    assert sample.num_drafted_tokens == await counted(caller.server, "drafted_tokens_total")
    assert sample.num_accepted_tokens <= sample.num_drafted_tokens


async def test_the_model_tells_its_strategy_and_its_draft_model(caller: Caller) -> None:
    model = await caller.model()
    assert (model.strategy, model.draft) == ("auto", "little.gguf")
    assert model.size_bytes > 90_000_000
    assert model.memory_bytes > 2 * model.size_bytes
