"""The rows of `bench embedding`, and its caller against a scripted node."""

from perf.bar_table import Sample
from perf.embedding.embedding_bars import rows
from perf.embedding.sentences import sentences
from perf.embedding.vector_caller import Embed, Stream, carry_out
from tests.scripted_node import scripted_node
from xapp.client import Client
from xapp.inference.v1.inference_pb2 import PRIORITY_BATCH


def test_figures_meet_their_bars() -> None:
    samples = [
        Sample(0, "grpc.1", 95.0),
        Sample(0, "bare.64", 100.0),
        Sample(0, "gap.beside_ms", 160.0),
    ]
    verdicts = {row.name: row.passed for row in rows(samples)}
    assert verdicts["the same ÷ bare llama.cpp, batch of 64"]
    assert verdicts["worst gap while 1,000 passages are embedded"] is False
    assert verdicts["worst gap of 3 streams alone"] is None


def test_sentences_differ_and_have_their_length() -> None:
    found = sentences(5, 32, 1)
    assert len(set(found)) == 5
    assert all(len(text.split()) == 30 for text in found)


async def test_the_caller_counts_texts_and_keeps_gaps() -> None:
    with scripted_node() as node:
        async with Client(node.target) as client:
            result = await carry_out(client, Embed("m", [["a", "b"], ["c"]], at_once=2, batch=True))
            assert (result.num_texts, result.num_tokens) == (3, 9)
            assert result.ended >= result.began
            assert all(asked.priority == PRIORITY_BATCH for asked in node.embedded)
            streams = await carry_out(client, Stream("hi", 2, 0.5))
    assert streams.gaps
    assert all(gap >= 0 for gap, _ in streams.gaps)
