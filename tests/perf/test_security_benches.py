"""The benches of TLS and of isolation, each at its smallest, on nodes with the fake backend."""

import json
import sys

import pytest

from perf import tls
from perf.isolation import __main__ as isolation

pytestmark = pytest.mark.slow


def test_tls(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("XAPP_BACKEND", "fake")
    monkeypatch.setattr(tls, "SETTLE_S", 0.0)
    monkeypatch.setattr(tls, "HANDSHAKES_S", 0.05)
    monkeypatch.setattr(sys, "argv", ["tls", "--rounds", "1", "--tokens", "100"])
    assert tls.main() in {0, 1}
    said = json.loads(capsys.readouterr().out)
    assert [each["streams"] for each in said["streams"]] == [1, 4, 8]
    assert said["handshakes"]["tls_per_s"] > 0


@pytest.mark.parametrize("node", ["--model=m", "--scripted"])
def test_isolation(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], node: str) -> None:
    monkeypatch.setenv("XAPP_BACKEND", "fake")
    monkeypatch.setattr(sys, "argv", ["isolation", node, "--trials", "3", "--requests", "100"])
    assert isolation.main() in {0, 1}
    said = json.loads(capsys.readouterr().out)
    assert 0 <= said["apart"]["auc"] <= 1
    assert (said["requests"], said["foreign"]) == (100, 0)
