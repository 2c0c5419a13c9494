"""Vectors and ranking by a real server with real models, as real clients see it."""

import asyncio
import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from math import fsum
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.e2e.caller import workers
from tests.e2e.gateways import LiveGateway, serving_openai
from tests.live import LiveServer, serving
from tests.models.bert_reference import vector_of
from tests.models.minilm import headless_file, minilm_file, read_minilm, reranker_file
from xapp.client import Client, ClientError, Retry, SyncClient
from xapp.inference.v1 import embedding_pb2 as pb
from xapp.inference.v1.inference_pb2 import PRIORITY_BATCH

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "embedding.md").read_text()
TEXTS = (
    "A cell is down.",
    "The base station does not answer!",
    "The invoice is late; Café Müller waits.",
    "handover failures rose by 12.5 % in sector-7 after the software update",
)


@pytest.fixture(scope="module")
def gateway(minilm_cache: Path, shallow_model_path: Path) -> Iterator[LiveGateway]:
    """A language model, an embedding model and a reranker on one node."""
    models = f"{minilm_file(minilm_cache)},{reranker_file(minilm_cache)}"
    environ = {
        "XAPP_MODEL": str(shallow_model_path),
        "XAPP_MODELS": models,
        "XAPP_DEADLINE_ADMISSION": "false",
    }
    with serving_openai(environ) as gateway:
        with SyncClient(gateway.server.target) as client:
            for path in models.split(","):
                *_, last = client.load_model(Path(path).stem, deadline_s=60)
                assert last.progress == 1.0
        yield gateway


@pytest.fixture(scope="module")
def server(gateway: LiveGateway) -> LiveServer:
    return gateway.server


@pytest.fixture
def client(server: LiveServer) -> Iterator[SyncClient]:
    with SyncClient(server.target) as client:
        yield client


def cosine(one: Any, other: Any) -> float:
    return fsum(a * b for a, b in zip(one, other, strict=True))


def post(gateway: LiveGateway, path: str, body: dict[str, Any]) -> Any:
    data = json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{gateway.url}{path}", data, headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


# ---- vectors


def test_vectors_are_those_of_the_published_weights(client: SyncClient, minilm_cache: Path) -> None:
    """8-bit weights and llama.cpp's arithmetic, against 32-bit weights and numpy."""
    model = read_minilm(minilm_cache)
    for text, vector in zip(TEXTS, client.embed(TEXTS, model="minilm-q8_0"), strict=True):
        assert cosine(vector, vector_of(model, text).tolist()) >= 0.999


def test_company_changes_no_vector(client: SyncClient) -> None:
    alone = client.embed([TEXTS[3]])[0]
    together = client.embed([*TEXTS[:3] * 40, TEXTS[3]])[-1]
    # On some CPUs kernels for a few rows round activations otherwise than those for many.
    assert cosine(alone, together) >= 0.9999


def test_meaning_counts(client: SyncClient) -> None:
    first, second, third, _ = client.embed(TEXTS)
    assert cosine(first, second) > cosine(first, third)


def test_openais_own_client_gets_the_same_vector(gateway: LiveGateway, client: SyncClient) -> None:
    expected = pytest.approx(list(client.embed([TEXTS[0]])[0]), abs=1e-6)
    with gateway.blocking_client() as theirs:
        answer = theirs.embeddings.create(model="minilm-q8_0", input=TEXTS[0])
        plain = theirs.embeddings.create(model="minilm-q8_0", input=TEXTS[0], encoding_format="float")
    assert answer.data[0].embedding == expected
    assert plain.data[0].embedding == expected
    assert answer.usage.prompt_tokens == 7


def test_marks_in_a_text_are_text(client: SyncClient) -> None:
    marked = client.embed_request(pb.EmbedRequest(texts=["[SEP] [CLS] [PAD]", "a"]))
    assert marked.embeddings[0].num_tokens > 5
    assert marked.embeddings[1].num_tokens == 3


def test_a_long_text_is_refused_or_cut(client: SyncClient) -> None:
    long = "load " * 1000
    with pytest.raises(ClientError) as caught:
        client.embed([long])
    assert (caught.value.code, caught.value.reason) == ("INVALID_ARGUMENT", "TEXT_TOO_LONG")
    request = pb.EmbedRequest(texts=[long], truncation=pb.TRUNCATION_END)
    (cut,) = client.embed_request(request).embeddings
    assert (cut.num_tokens, cut.num_lost_tokens) == (512, 1000 - 510)


@pytest.mark.parametrize(
    "texts",
    [["\x00\x01\x02"], ["é" * 3000], ["\U0001f4a5" * 500], ["a" * 100_000], ["   \n "], ["\u202e" * 100]],
    ids=["control", "accents", "emoji", "one word", "white space", "marks"],
)
def test_odd_texts_have_vectors_of_length_1(client: SyncClient, texts: list[str]) -> None:
    (vector,) = client.embed_request(pb.EmbedRequest(texts=texts, truncation=pb.TRUNCATION_END)).embeddings
    assert cosine(vector.values, vector.values) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.EmbedRequest(), "texts"),
        (pb.EmbedRequest(texts=["a"] * 2049), "texts"),
        (pb.EmbedRequest(texts=["a"] * 100_000), "request"),
        (pb.EmbedRequest(texts=["a"], dimensions=100), "dimensions"),
    ],
    ids=["none", "2,049", "100,000", "another dimension"],
)
def test_bad_requests(client: SyncClient, request_: pb.EmbedRequest, field: str) -> None:
    with pytest.raises(ClientError) as caught:
        client.embed_request(request_)
    assert (caught.value.code, caught.value.field) == ("INVALID_ARGUMENT", field)


def test_a_reranker_without_its_head_is_not_loaded(
    minilm_cache: Path, shallow_model_path: Path, tmp_path: Path
) -> None:
    (tmp_path / "headless.gguf").symlink_to(headless_file(minilm_cache))
    environ = {"XAPP_MODEL": str(shallow_model_path), "XAPP_MODELS_DIR": str(tmp_path)}
    with serving(environ) as server, SyncClient(server.target) as client:
        with pytest.raises(ClientError) as caught:
            list(client.load_model("headless", deadline_s=60))
        assert (caught.value.code, caught.value.reason) == ("FAILED_PRECONDITION", "NO_RANKING_HEAD")
        assert "cls.output.weight" in str(caught.value)
        with pytest.raises(ClientError) as caught:
            client.embed(["a"])
        assert caught.value.reason == "NO_EMBEDDING_MODEL"


# ---- ranking

QUERY, DOCUMENTS = (
    "why did the handover fail?",
    ("the fan is loud", "the target cell was full", "the invoice is late"),
)


@pytest.mark.parametrize(
    ("model", "method"),
    [
        ("minilm-reranker", pb.RERANK_METHOD_CROSS_ENCODER),
        ("minilm-q8_0", pb.RERANK_METHOD_COSINE),
        ("shallow", pb.RERANK_METHOD_QUERY_LIKELIHOOD),
        ("", pb.RERANK_METHOD_CROSS_ENCODER),
    ],
)
def test_the_method_follows_from_the_model(client: SyncClient, model: str, method: int) -> None:
    response = client.rerank(QUERY, DOCUMENTS, model=model)
    assert response.method == method
    scores = [each.score for each in response.documents]
    assert scores == sorted(scores, reverse=True)
    assert sorted(each.index for each in response.documents) == [0, 1, 2]
    assert len(set(scores)) == 3
    if method == pb.RERANK_METHOD_COSINE:
        assert response.documents[0].index == 1


def test_ranking_over_http(gateway: LiveGateway) -> None:
    body = {"model": "minilm-q8_0", "query": QUERY, "documents": DOCUMENTS, "top_n": 1}
    (first,) = post(gateway, "/v1/rerank", body)["results"]
    assert first["index"] == 1
    passages = [{"text": each} for each in DOCUMENTS]
    ranked = post(gateway, "/v1/ranking", {"query": {"text": QUERY}, "passages": passages})["rankings"]
    assert sorted(each["index"] for each in ranked) == [0, 1, 2]


# ---- company


async def test_a_cancelled_batch_leaves_and_others_go_on(server: LiveServer) -> None:
    async with Client(server.target) as client:
        many = asyncio.create_task(
            client.embed([f"passage {number} about load" for number in range(2000)], priority=PRIORITY_BATCH)
        )
        await _until_running(client)
        (urgent,) = await client.embed(["a"], deadline_s=30)
        assert len(urgent) == 384
        assert not many.done(), "a text that somebody waits for goes first"
        many.cancel()
        with pytest.raises(asyncio.CancelledError):
            await many
        await _until_running(client, 0)


async def _until_running(client: Client, count: int = 1) -> None:
    async with asyncio.timeout(30):
        async for sample in client.metrics(interval_s=0.1):
            running = {each.model: each.num_running for each in sample.models}
            if running.get("minilm-q8_0", 0) == count:
                return


async def test_a_lost_worker_costs_its_calls_and_no_others(server: LiveServer) -> None:
    once = Retry(attempts=1)
    async with Client(server.target) as client, Client(server.target, retry=once) as impatient:
        before = workers(server)
        many = asyncio.create_task(impatient.embed(["passage about load"] * 2000, priority=PRIORITY_BATCH))
        await _until_running(client)
        psutil.Process(before["minilm-q8_0.gguf"]).kill()
        with pytest.raises(ClientError) as caught:
            await many
        assert caught.value.code == "UNAVAILABLE"
        assert [event async for event in client.generate("hi", max_tokens=2, deadline_s=30)]
        assert len((await client.embed(["a"], deadline_s=30))[0]) == 384, "the client tries again"


# ---- the page


def test_the_commands_of_the_page(server: LiveServer) -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    commands = [
        line for block in blocks for line in block.splitlines() if re.match("genai-xapp (embed|rerank)", line)
    ]
    assert len(commands) == 2
    folder = str(Path(sys.executable).parent)
    environ = {**os.environ, "XAPP_TARGET": server.target, "PATH": f"{folder}:{os.environ['PATH']}"}
    for command in commands:
        done = subprocess.run(
            command, shell=True, env=environ, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        assert len(done.stdout.splitlines()) == 4


def test_the_python_of_the_page(server: LiveServer) -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    code = code.replace("127.0.0.1:50051", server.target)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    likeness, index = done.stdout.splitlines()
    assert -1 <= float(likeness) <= 1
    assert index in {"0", "1"}
