"""Policies from files: a ConfigMap that is swapped, a sidecar's requests, and files that are none."""

import json
import os
from pathlib import Path

import pytest

from xapp.errors import ConfigError
from xapp.ric.policy_files import PolicyFiles
from xapp.ric.policy_source import MAX_POLICIES, SourceError
from xapp.ric.policy_type import PolicyError

TYPE = 21100
PAYLOAD = {"statement": {"max_output_tokens": 5}}


def config_map(folder: Path, version: str, files: dict[str, str]) -> None:
    """As the kubelet writes it: a folder of its own, and a link that is moved in one step."""
    data = folder / f"..{version}"
    data.mkdir()
    for name, text in files.items():
        (data / name).write_text(text)
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(Path("..data") / name)
    link = folder / "..data_tmp"
    link.symlink_to(data.name)
    link.replace(folder / "..data")


async def test_a_config_map_and_its_next_version(tmp_path: Path) -> None:
    config_map(tmp_path, "1", {"p.json": json.dumps(PAYLOAD), "README": "no policy"})
    source = PolicyFiles(tmp_path, TYPE)
    assert await source.read() == {"p": PAYLOAD}
    config_map(tmp_path, "2", {"p.json": json.dumps({"statement": {}})})
    assert await source.read() == {"p": {"statement": {}}}


async def test_a_single_file(tmp_path: Path) -> None:
    file = tmp_path / "night.json"
    file.write_text(json.dumps(PAYLOAD))
    source = PolicyFiles(file, TYPE)
    assert await source.read() == {"night": PAYLOAD}
    file.unlink()
    with pytest.raises(SourceError):
        await source.read()


@pytest.mark.parametrize("type_id", [TYPE, str(TYPE), None])
@pytest.mark.parametrize("payload", [PAYLOAD, json.dumps(PAYLOAD)], ids=["object", "encoded"])
async def test_a_request_as_it_came_over_rmr(tmp_path: Path, type_id: object, payload: object) -> None:
    request = {
        "operation": "CREATE",
        "policy_type_id": type_id,
        "policy_instance_id": "p1",
        "payload": payload,
    }
    (tmp_path / "whatever.json").write_text(json.dumps(request))
    assert await PolicyFiles(tmp_path, TYPE).read() == {"p1": payload}


async def test_a_delete_is_no_policy(tmp_path: Path) -> None:
    request = {"operation": "DELETE", "policy_type_id": TYPE, "policy_instance_id": "p1", "payload": "{}"}
    (tmp_path / "p1.json").write_text(json.dumps(request))
    assert await PolicyFiles(tmp_path, TYPE).read() == {}


@pytest.mark.parametrize(
    "request_",
    [
        {"policy_type_id": 1, "policy_instance_id": "p", "payload": PAYLOAD},
        {"policy_type_id": "x", "policy_instance_id": "p", "payload": PAYLOAD},
        {"policy_type_id": TYPE, "policy_instance_id": 7, "payload": PAYLOAD},
        {"policy_type_id": TYPE, "policy_instance_id": "", "payload": PAYLOAD},
    ],
    ids=str,
)
async def test_a_request_that_is_not_for_us_is_refused(tmp_path: Path, request_: dict[str, object]) -> None:
    (tmp_path / "p.json").write_text(json.dumps(request_))
    found = await PolicyFiles(tmp_path, TYPE).read()
    assert isinstance(found["p"], PolicyError)


@pytest.mark.parametrize("body", [b"{", b"", b"\xff\xfe\x00", b" " * 100_000], ids=lambda body: str(body[:4]))
async def test_a_file_that_is_none_spoils_no_other(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "bad.json").write_bytes(body)
    (tmp_path / "good.json").write_text(json.dumps(PAYLOAD))
    (tmp_path / "folder.json").mkdir()
    found = await PolicyFiles(tmp_path, TYPE).read()
    assert found["good"] == PAYLOAD
    assert isinstance(found["bad"], PolicyError)
    assert isinstance(found["folder"], PolicyError)


async def test_a_pipe_that_nobody_writes_to_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "p.json")
    found = await PolicyFiles(tmp_path, TYPE).read()
    assert isinstance(found["p"], PolicyError)


async def test_too_many_are_refused_as_a_whole(tmp_path: Path) -> None:
    for number in range(MAX_POLICIES + 1):
        (tmp_path / f"{number}.json").write_text("{}")
    with pytest.raises(SourceError, match=str(MAX_POLICIES)):
        await PolicyFiles(tmp_path, TYPE).read()


def test_what_is_not_there_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="XAPP_RIC_POLICIES"):
        PolicyFiles(tmp_path / "none", TYPE)
