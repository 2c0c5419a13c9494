"""The bench of isolation: it finds nothing where scopes are kept, and something where they are not."""

import pytest

from perf.isolation import mixing
from perf.isolation.mixing import Mix


def test_mixed_requests_share_with_their_own_alone() -> None:
    mix = Mix()
    mix.run(3000)
    assert (mix.num_requests, mix.num_foreign) == (3000, 0)
    assert mix.num_shared > 1000


def test_a_foreign_prefix_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mixing, "_scope_of", lambda _: "")
    mix = Mix()
    mix.run(300)
    assert mix.num_foreign > 0
