"""What predictions learn from how requests turned out."""

from itertools import count
from types import SimpleNamespace
from typing import cast

import msgspec
import pytest

from tests.engine.harness import Clock
from xapp.admission.open_request import AdmissionRequest, Foresight, OpenRequest
from xapp.admission.outcome import Outcome, outcome_of
from xapp.admission.predict import Predictor
from xapp.backend.fake import fake_info
from xapp.config import EngineSettings
from xapp.domain.answers import Finished
from xapp.domain.messages import FinishReason, SequenceFinished, Stats, StepCurve, StepPrices, Submit
from xapp.workers.token_stream import TokenStream

STATS = Stats(prices=StepPrices())
CURVE = StepCurve((1, 2), (0.006, 0.007), (1, 2), (0.010, 0.015))
INFO = msgspec.structs.replace(fake_info(EngineSettings(slots=2, kv_cells=4096)), curve=CURVE)


def finished(
    reason: FinishReason, first_s: float, decode_s: float, num_tokens: int = 101, gain: float = 1.0
) -> Finished:
    return Finished(reason, 100, 0, num_tokens, 0.0, first_s, decode_s, first_s, gain=gain)


class Node:
    """A predictor of a node that takes 105 ms for a prompt of 100 tokens and 10 ms a token after it."""

    drafts = False

    def __init__(self) -> None:
        self.clock = Clock()
        self.predictor = Predictor(lambda: INFO, lambda: STATS, self.clock)
        self.tokens = count()

    def admit(self) -> OpenRequest:
        request = AdmissionRequest(self.clock.now, self.clock.now + 600, 101, exact=True, drafts=self.drafts)
        opened = self.predictor.open(request)
        prompt = [next(self.tokens)] * 100
        self.predictor.tokenized(opened, prompt, 101)
        self.predictor.predict(opened)
        self.predictor.open_requests.add(opened)
        submit = Submit(1, prompt, 101, arrival=request.arrival)
        stream = SimpleNamespace(
            request=submit, started=None, finished=None, first_at=None, num_tokens=0, joined_at=None
        )
        self.predictor.submitted(opened, cast("TokenStream", stream))
        self.predictor.predict_all()
        return opened

    def end(self, opened: OpenRequest, how: Finished | None) -> None:
        self.predictor.open_requests.discard(opened)
        self.predictor.learn(opened, how)

    def promise_s(self) -> float:
        opened = self.predictor.open(AdmissionRequest(self.clock.now, self.clock.now + 600, 101, exact=True))
        self.predictor.tokenized(opened, [next(self.tokens)] * 100, 101)
        return self.predictor.predict(opened).promise_s


def test_a_promise_leaves_a_quarter_until_more_is_known() -> None:
    assert Node().promise_s() == pytest.approx(1.25 * 1.105)


def test_a_promise_follows_how_late_they_were() -> None:
    node = Node()
    for _ in range(8):
        node.end(node.admit(), finished(FinishReason.LENGTH, 0.21, 2.0))
    assert node.promise_s() == pytest.approx(2 * 1.105, rel=0.01)


def test_who_was_cut_by_the_deadline_was_late_at_least_so_much() -> None:
    node = Node()
    for _ in range(8):
        opened = node.admit()
        end = SequenceFinished(1, node.clock.now + 3.315, FinishReason.EXPIRED, 0, 20)
        cast("SimpleNamespace", opened.stream).finished = end
        node.end(opened, None)
    assert node.promise_s() == pytest.approx(3 * 1.105, rel=0.01)


def test_who_gave_up_teaches_nothing() -> None:
    node = Node()
    for _ in range(8):
        opened = node.admit()
        end = SequenceFinished(1, node.clock.now + 50.0, FinishReason.CANCELLED, 0, 20)
        cast("SimpleNamespace", opened.stream).finished = end
        node.end(opened, None)
    assert node.promise_s() == pytest.approx(1.25 * 1.105)


def test_what_comes_after_counts_in_what_is_foreseen_of_those_before() -> None:
    node = Node()
    first = node.admit()
    before = first.foresight
    node.admit()
    assert before is not None
    assert first.foresight is not None
    assert first.foresight.end_s > before.end_s


def test_a_longer_answer_was_foreseen_to_take_longer() -> None:
    foresight = Foresight(at=0.0, first_s=1.0, end_s=3.0, num_done=1, num_left=20)
    assert foresight.end_s_with(21) == pytest.approx(3.0)
    assert foresight.end_s_with(41) == pytest.approx(5.0)
    assert foresight.end_s_with(1) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        (finished(FinishReason.STOP, 1.0, 2.0), Outcome(1.0, 3.0, 101, whole=True)),
        (finished(FinishReason.DEADLINE, 1.0, 2.0, 50), Outcome(1.0, 3.0, 50, whole=False)),
        (finished(FinishReason.CANCELLED, 1.0, 2.0), None),
        (None, None),
    ],
)
def test_how_it_turned_out(how: Finished | None, expected: Outcome | None) -> None:
    assert outcome_of(Node().admit(), how) == expected


def test_nothing_is_learned_from_who_was_not_computed() -> None:
    node = Node()
    opened = node.admit()
    cast("SimpleNamespace", opened.stream).joined_at = 1.0
    assert outcome_of(opened, finished(FinishReason.STOP, 1.0, 2.0)) is None
