"""The stock client of Triton, unchanged, against a real node."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live import serving
from tests.models.minilm import minilm_file
from xapp.client import SyncClient
from xapp.inference.v1.embedding_pb2 import TEXT_ROLE_PASSAGE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
UV = Path(sys.executable).parent / "uv"
CALLER = Path(__file__).with_name("triton_caller.py")


TEXTS = ("A cell is down.", "Café Müller waits.")


def test_it_infers_and_streams_and_has_vectors(
    default_model_path: Path, minilm_cache: Path, user_cache: Path
) -> None:
    embedder = minilm_file(minilm_cache)
    models = {"XAPP_MODEL": str(default_model_path), "XAPP_MODELS": str(embedder)}
    with serving({**models, "XAPP_OPEN_INFERENCE": "true"}) as server:
        with SyncClient(server.target) as client:
            list(client.load_model(embedder.stem, deadline_s=60))
            expected = [list(each) for each in client.embed(TEXTS, role=TEXT_ROLE_PASSAGE)]
        command = [str(UV), "run", "--quiet", "--no-project", "--isolated", "--with", "tritonclient[grpc]"]
        arguments = [server.target, "smollm2-135m-q4_1", embedder.stem, *TEXTS]
        done = subprocess.run(
            [*command, "--python", sys.executable, str(CALLER), *arguments],
            env=os.environ | {"XDG_CACHE_HOME": str(user_cache), "PYTHONPATH": ""},
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
    if done.returncode and ("Failed to fetch" in done.stderr or "error sending request" in done.stderr):
        pytest.skip("tritonclient cannot be fetched: " + done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, done.stdout + done.stderr
    first, second, vectors = done.stdout.splitlines()
    assert (first, second) == ("tensors text_output", "answered True")
    assert [pytest.approx(each, abs=1e-6) for each in expected] == json.loads(vectors)
