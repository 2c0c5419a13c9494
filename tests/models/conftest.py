"""A model folder, a hub stand-in, and a way to wait that does not."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.models.gguf_file import gguf_bytes
from tests.models.hub_stand_in import StandIn, serving
from xapp.models.landing import Pulled
from xapp.models.pull import pull
from xapp.models.transfer import Backoff

CONTENT = gguf_bytes(data=300_000)
FILE = "tiny.gguf"
NAME = f"hf:owner/tiny-GGUF/{FILE}"


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("HF_TOKEN", "HF_ENDPOINT", "XAPP_MODELS_DIR"):
        monkeypatch.delenv(key, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def hub() -> Iterator[StandIn]:
    with serving(StandIn(files={f"owner/tiny-GGUF/{FILE}": CONTENT})) as stand_in:
        yield stand_in


@dataclass
class Seen:
    """Collects what a pull tells, and the waits it asked for."""

    said: list[str] = field(default_factory=list)
    updates: list[tuple[str, int, int]] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)

    def update(self, what: str, done: int, total: int) -> None:
        self.updates.append((what, done, total))

    def say(self, message: str) -> None:
        self.said.append(message)


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def pull_it(folder: Path, hub: StandIn, seen: Seen) -> Callable[..., Pulled]:
    def run(name: str = NAME, revision: str | None = None) -> Pulled:
        backoff = Backoff(sleep=seen.waits.append)
        return pull(name, folder, revision=revision, progress=seen, backoff=backoff, endpoint=hub.endpoint)

    return run
