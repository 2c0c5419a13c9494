"""Refused calls in the log: each one, but for a flood."""

import logging

import pytest

from xapp.errors import Unauthenticated
from xapp.security.refusals import MOST_A_SECOND, Refusals


def test_a_flood_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    now = [100.0]
    refusals = Refusals(lambda: now[0])
    with caplog.at_level(logging.WARNING, "xapp.security"):
        for _ in range(100):
            refusals.log("/a.B/C", "ipv4:1.2.3.4:5", Unauthenticated("no"))
        now[0] += 1.0
        refusals.log("/a.B/C", "ipv4:1.2.3.4:5", Unauthenticated("no"))
    left_out = [record.fields["num_left_out"] for record in caplog.records]  # type: ignore[attr-defined]
    assert left_out == [0] * MOST_A_SECOND + [100 - MOST_A_SECOND]
    assert caplog.records[0].fields["reason"] == "NO_CREDENTIALS"  # type: ignore[attr-defined]
