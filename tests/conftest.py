"""Fixtures for all tests."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.live import MODEST, LiveServer, serving
from tests.models.minilm import NotFetched, fetched, minilm_file
from tests.models.shallow import shallow
from tests.scale import examples
from xapp.folders import default_models_dir

# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile("genai-xapp", deadline=None, max_examples=examples(100))
settings.load_profile("genai-xapp")

DEFAULT_MODEL_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
_USER_CACHE = os.environ.get("XDG_CACHE_HOME")


@pytest.fixture(scope="session")
def user_cache() -> Path:
    """The cache of this user, which tests otherwise do not see: for what is built once on a machine."""
    return Path(_USER_CACHE or Path.home() / ".cache")


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What tests measure on a busy machine must not be remembered for real use."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def modest_nodes() -> Iterator[None]:
    """Nodes that leave cores to others.

    Compute threads wait for each other in a loop: on a busy machine they take several times the CPU of one
    thread. A survey takes all cores for half a minute, and a busy machine keeps no survey, so each server
    would begin anew. It would measure flash attention anew, too, and find another result each time.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name, value in MODEST.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="session", autouse=True)
def no_proxy() -> Iterator[None]:
    """Tests speak over loopback; a proxy in the environment is not their way."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("http_proxy", "https_proxy", "grpc_proxy", "all_proxy"):
            patch.delenv(name, raising=False)
            patch.delenv(name.upper(), raising=False)
        yield


@pytest.fixture(scope="session")
def default_model_path() -> Path:
    """The default model's file, for tests marked slow."""
    path = Path(os.environ.get("XAPP_MODELS_DIR") or default_models_dir()) / DEFAULT_MODEL_FILE
    if not path.is_file():
        pytest.fail(f"{path} is missing: run `make model`")
    return path


@pytest.fixture(scope="session")
def minilm_cache(user_cache: Path) -> Path:
    """The folder with a real embedding model, for tests marked slow. They are skipped where it cannot be
    fetched.
    """
    cache = user_cache / "genai-xapp" / "test-models"
    try:
        fetched(cache)
    except NotFetched as reason:
        pytest.skip(str(reason))
    return cache


@pytest.fixture(scope="session")
def minilm_path(minilm_cache: Path) -> Path:
    """A real embedding model."""
    return minilm_file(minilm_cache)


@pytest.fixture(scope="session")
def shallow_model_path(default_model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default model's first layers: for tests of what happens to a model, not of what it says."""
    return shallow(default_model_path, tmp_path_factory.mktemp("shallow") / "shallow.gguf")


@pytest.fixture(scope="session")
def live_server() -> Iterator[LiveServer]:
    """A real server with the fake backend, for all tests together. They are marked slow, and leave it as it
    was: a test that kills or burdens a part of it starts its own.
    """
    with serving({"XAPP_BACKEND": "fake"}) as server:
        yield server


@pytest.fixture(scope="session")
def live_model_server(default_model_path: Path) -> Iterator[LiveServer]:
    """A real server with the default model, shared as `live_server` is.

    It refuses nothing for its deadline: what it learns of a busy machine in one test must not matter
    in another.
    """
    environ = {"XAPP_MODEL": str(default_model_path), "XAPP_DEADLINE_ADMISSION": "false"}
    with serving(environ) as server:
        yield server


# In the background of a shell SIGINT is ignored, and tests interrupt themselves.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# A run under nohup ignores SIGHUP, and so would each server that a test starts.
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
