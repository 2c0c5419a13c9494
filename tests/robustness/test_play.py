"""The harness against a real node: sound answers break no rule, and wrong ones are found."""

from collections.abc import Iterator

import pytest

from tests.robustness import play
from tests.robustness.expected import answer_of
from tests.robustness.node import Node, running
from tests.robustness.rules import violations
from tests.scale import sized

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    environ = {"XAPP_FAILPOINTS": "inbox=5%short; event_socket=2%short; decode=0.05%kill; seed=1"}
    with running(tmp_path_factory.mktemp("node"), environ) as node:
        yield node


async def test_under_faults_every_rule_holds(node: Node) -> None:
    history = await play.play(node, seed=3, seconds=sized(2.0, 20.0))
    assert violations(history) == []
    assert len(history.calls) > 20
    assert history.faults


async def test_answers_to_other_questions_are_found(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each caller expects the answer to a prompt that is not its own."""
    monkeypatch.setattr(play, "fake_answer", lambda prompt, count: answer_of(f"{prompt}!", count)[0])
    history = await play.play(node, seed=4, seconds=0.5)
    assert "no_token_of_another_request" in {each.rule for each in violations(history)}
