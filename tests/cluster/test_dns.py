"""The stand-in for a cluster's DNS, without a cluster."""

import struct
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.dns import AAAA, A, Cluster, answer, parse

NAME = ("one", "ricxapp", "svc", "cluster", "local")


def query(kind: int) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in NAME)
    return (
        b"\x12\x34" + struct.pack("!HHHHH", 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", kind, 1)
    )


def counts(reply: bytes) -> tuple[int, int]:
    """The code and the number of records."""
    flags, _, records = struct.unpack_from("!HHH", reply, 2)
    return flags & 0xF, records


def test_each_address_is_a_record() -> None:
    question = parse(query(A))
    assert question.labels == NAME
    reply = answer(query(A), question, ["10.0.0.1", "10.0.0.2"])
    assert counts(reply) == (0, 2)
    assert reply.endswith(bytes([10, 0, 0, 2]))


@pytest.mark.parametrize(("kind", "addresses", "told"), [(AAAA, ["10.0.0.1"], (0, 0)), (A, None, (3, 0))])
def test_there_is_none(kind: int, addresses: list[str] | None, told: tuple[int, int]) -> None:
    assert counts(answer(query(kind), parse(query(kind)), addresses)) == told


def test_half_a_packet_is_no_question() -> None:
    with pytest.raises(ValueError, match="cut off"):
        parse(query(A)[:-3])


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """One Service with an address, and one with two pods of a StatefulSet."""
    config = {"clusters": [{"cluster": {"server": ""}}], "users": [{"user": {"token": ""}}]}
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config))
    addresses = {"one": "10.96.0.1", "rpc": "None"}
    endpoints = [
        {"hostname": f"helper-{number}", "addresses": [f"10.244.0.{number}"], "conditions": {"ready": True}}
        for number in range(2)
    ]

    def get(self: Cluster, path: str) -> dict[str, Any] | None:
        if "endpointslices" in path:
            return {"items": [{"endpoints": endpoints}]}
        name = path.rpartition("/")[2]
        return {"spec": {"clusterIP": addresses[name]}} if name in addresses else None

    monkeypatch.setattr(Cluster, "_get", get)
    return Cluster(tmp_path / "kubeconfig")


@pytest.mark.parametrize(
    ("name", "addresses"),
    [
        ("one.ricxapp.svc.cluster.local", ["10.96.0.1"]),
        ("rpc.ricxapp.svc.cluster.local", ["10.244.0.0", "10.244.0.1"]),
        ("helper-1.rpc.ricxapp.svc.cluster.local", ["10.244.0.1"]),
        ("helper-7.rpc.ricxapp.svc.cluster.local", None),
        ("none.ricxapp.svc.cluster.local", None),
        ("helper-1.rpc.ricxapp.svc.elsewhere", None),
        ("svc.cluster.local", None),
        ("a.helper-1.rpc.ricxapp.svc.cluster.local", None),
    ],
)
def test_names_of_services_and_of_their_pods(
    cluster: Cluster, name: str, addresses: list[str] | None
) -> None:
    assert cluster.addresses(tuple(name.split("."))) == addresses
