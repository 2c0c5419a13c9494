"""Names of Services for the node's pods: what a cluster's DNS answers for them, and no other name.

python -m tests.cluster.dns ADDRESS KUBECONFIG

A stand-in: an ordinary Service has its own address, one without has those of its ready pods. A pod with a
hostname, as those of a StatefulSet, has a name below that of its Service.
"""

import ipaddress
import json
import socketserver
import ssl
import struct
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

SUFFIX = ("svc", "cluster", "local")
A, AAAA = 1, 28
NO_ERROR, NO_SUCH_NAME = 0, 3
TTL_S = 1
_FLAGS = 0x8480  # an answer with authority; recursion is there as far as a resolver minds


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked for: labels in lower case."""

    labels: tuple[str, ...]
    kind: int
    end: int


class Cluster:
    """Reads the API as administrator."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        self._server = config["clusters"][0]["cluster"]["server"]
        self._token = config["users"][0]["user"]["token"]
        self._tls = ssl.create_default_context()
        self._tls.check_hostname = False
        self._tls.verify_mode = ssl.CERT_NONE

    def addresses(self, labels: tuple[str, ...]) -> list[str] | None:
        """Those of the Service or pod of this name; None where there is none."""
        own, suffix = labels[: -len(SUFFIX)], labels[-len(SUFFIX) :]
        if suffix != SUFFIX or len(own) not in (2, 3):
            return None
        *pod, name, namespace = own
        service = self._get(f"/api/v1/namespaces/{namespace}/services/{name}")
        if service is None:
            return None
        if pod:
            return self._pods(name, namespace, pod[0]) or None
        address = str(service["spec"]["clusterIP"])
        return [address] if address != "None" else self._pods(name, namespace)

    def _pods(self, name: str, namespace: str, hostname: str = "") -> list[str]:
        selector = f"kubernetes.io%2Fservice-name%3D{name}"
        path = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices?labelSelector={selector}"
        slices = (self._get(path) or {"items": []})["items"]
        endpoints = [endpoint for item in slices for endpoint in item["endpoints"] or []]
        return [
            address
            for e in endpoints
            if e["conditions"].get("ready") and hostname in ("", e.get("hostname"))
            for address in e["addresses"]
        ]

    def _get(self, path: str) -> dict[str, Any] | None:
        request = urllib.request.Request(
            self._server + path, headers={"Authorization": f"Bearer {self._token}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=5, context=self._tls) as answer:
                return dict(json.load(answer))
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise


def parse(packet: bytes) -> Question:
    """The first question. Raises ValueError."""
    labels, at = [], 12
    while at < len(packet) and (length := packet[at]):
        labels.append(packet[at + 1 : at + 1 + length].decode("ascii").lower())
        at += 1 + length
    if at + 5 > len(packet):
        raise ValueError("cut off")
    return Question(tuple(labels), struct.unpack_from("!H", packet, at + 1)[0], at + 5)


def answer(packet: bytes, question: Question, addresses: list[str] | None) -> bytes:
    """The reply: the question again, then a record for each address."""
    found = addresses if addresses and question.kind == A else []
    code = NO_SUCH_NAME if addresses is None else NO_ERROR
    head = packet[:2] + struct.pack("!HHHHH", _FLAGS | code, 1, len(found), 0, 0)
    records = [
        struct.pack("!HHHIH", 0xC00C, A, 1, TTL_S, 4) + ipaddress.IPv4Address(address).packed
        for address in found
    ]
    return b"".join([head, packet[12 : question.end], *records])


class Handler(socketserver.BaseRequestHandler):
    """One packet."""

    cluster: Cluster

    def handle(self) -> None:
        """Answers it; what is no question gets none."""
        packet, sock = self.request
        try:
            question = parse(packet)
        except ValueError:
            return
        sock.sendto(answer(packet, question, self.cluster.addresses(question.labels)), self.client_address)


def main() -> None:
    """Until it is ended."""
    address, kubeconfig = sys.argv[1:]
    Handler.cluster = Cluster(Path(kubeconfig))
    with socketserver.ThreadingUDPServer((address, 53), Handler) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
