"""The stand-in for a cluster's DNS, without a cluster."""

import struct

import pytest

from tests.cluster.dns import AAAA, A, answer, parse

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
