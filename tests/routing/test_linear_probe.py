"""A probe's file that is wrong, of another version or of another model is refused, and named."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from xapp.domain.answers import HiddenState
from xapp.domain.requests import Request
from xapp.errors import ConfigError
from xapp.routing.difficulty import Stated
from xapp.routing.linear_probe import read_probe

GOOD: dict[str, Any] = {
    "version": 1,
    "predicts": "difficulty",
    "model_digest": "sha256:aa",
    "weights": [1.0, -1.0],
    "bias": 0.0,
}


@dataclass
class Model:
    """Its states are these numbers."""

    values: tuple[float, ...] = (3.0, 1.0)
    digest: str = "sha256:aa"
    asked: list[Request] = field(default_factory=list)

    async def hidden_state(self, request: Request) -> HiddenState:
        self.asked.append(request)
        return HiddenState(self.digest, self.values)


def written(folder: Path, **changes: Any) -> Path:
    path = folder / "probe.json"
    path.write_bytes(msgspec.json.encode(GOOD | changes))
    return path


async def test_a_state_is_weighed(tmp_path: Path) -> None:
    model = Model()
    found = await Stated(model, read_probe(written(tmp_path))).difficulty(Request("hi", stop=("e",)))
    assert found == pytest.approx(0.8808, abs=1e-4)
    (asked,) = model.asked
    assert (asked.prompt, asked.stop, asked.max_tokens, asked.counted) == ("hi", (), 1, False)


async def test_the_largest_numbers_make_a_probability(tmp_path: Path) -> None:
    probe = read_probe(written(tmp_path))
    assert probe.difficulty((1e38, -1e38)) == pytest.approx(1)
    assert probe.difficulty((-1e38, 1e38)) == pytest.approx(0)


@pytest.mark.parametrize("model", [Model(digest="sha256:bb"), Model(values=(1.0,))])
async def test_a_state_of_another_model_says_nothing(tmp_path: Path, model: Model) -> None:
    assert await Stated(model, read_probe(written(tmp_path))).difficulty(Request("hi")) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 2},
        {"predicts": "length"},
        {"weights": []},
        {"weights": [1.0, None]},
        {"bias": "0"},
        {"unknown": 1},
        {"model_digest": 7},
        {"model_digest": "x" * 1_100_000},
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"XAPP_UPSTREAM_PROBE: .*probe\.json"):
        read_probe(written(tmp_path, **changes))


@pytest.mark.parametrize("body", [b"", b"{", b'{"version": 1e999}', b"\xff\xfe"])
def test_a_broken_file_is_refused(tmp_path: Path, body: bytes) -> None:
    path = tmp_path / "probe.json"
    path.write_bytes(body)
    with pytest.raises(ConfigError, match="XAPP_UPSTREAM_PROBE"):
        read_probe(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_probe(tmp_path / "absent.json")


def test_a_probe_is_for_its_model(tmp_path: Path) -> None:
    probe = read_probe(written(tmp_path))
    probe.check_model("probe.json", "sha256:aa")
    with pytest.raises(ConfigError, match=r"XAPP_UPSTREAM_PROBE: probe\.json: is for the model sha256:aa"):
        probe.check_model("probe.json", "sha256:bb")
