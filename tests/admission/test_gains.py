"""What drafts gain, by the kind of request: expectations count on it, promises do not."""

import pytest

from tests.admission.test_predict import Node, finished
from xapp.admission.gains import MAX_KINDS, Gains
from xapp.admission.open_request import AdmissionRequest, OpenRequest
from xapp.domain.messages import FinishReason


def test_an_unknown_kind_gains_nothing() -> None:
    assert Gains().expected("kind") == 1.0


def test_the_gain_of_a_kind_is_learned_and_forgotten_again() -> None:
    gains = Gains()
    for _ in range(30):
        gains.record("copies", 2.0, 200)
    assert 1.8 < gains.expected("copies") < 2.0
    assert gains.expected("writes") == 1.0
    for _ in range(60):
        gains.record("copies", 1.0, 200)
    assert gains.expected("copies") == pytest.approx(1.0, abs=0.02)


def test_the_number_of_kinds_is_bounded() -> None:
    gains = Gains()
    for number in range(2 * MAX_KINDS):
        gains.record(str(number), 3.0, 1000)
    assert len(gains._kinds) == MAX_KINDS
    assert gains.expected("0") == 1.0
    assert gains.expected(str(2 * MAX_KINDS - 1)) > 1.0


class Drafting(Node):
    """Its requests may be decoded with drafts."""

    drafts = True


def expect_and_promise(node: Node) -> tuple[float, float]:
    now = node.clock.now
    asked = AdmissionRequest(now, now + 600, 101, exact=True, drafts=node.drafts)
    opened = node.predictor.open(asked)
    node.predictor.tokenized(opened, [next(node.tokens)] * 100, 101)
    prediction = node.predictor.predict(opened)
    return prediction.median.end_s, prediction.promise_s


def ended(node: Node, gain: float) -> OpenRequest:
    opened = node.admit()
    node.end(opened, finished(FinishReason.LENGTH, 0.105, 1.0 / gain, gain=gain))
    return opened


def test_an_expectation_counts_on_the_gain_and_a_promise_does_not() -> None:
    node = Drafting()
    before, promised = expect_and_promise(node)
    for _ in range(20):
        ended(node, 2.0)
    after, still_promised = expect_and_promise(node)
    assert before == pytest.approx(1.105)
    assert after == pytest.approx(0.105 + 0.5, rel=0.1)
    assert still_promised >= 1.105
    assert still_promised <= promised


def test_a_request_without_drafts_is_expected_without_their_gain() -> None:
    drafting, plain = Drafting(), Node()
    for _ in range(20):
        ended(drafting, 2.0)
    plain.predictor.gains = drafting.predictor.gains
    assert expect_and_promise(plain)[0] == pytest.approx(1.105)
