"""Log-probabilities beside the tokens of an answer."""

import pytest

from tests.engine.harness import Harness
from xapp.backend.fake_rule import log_probability
from xapp.domain.decoding import Ngram
from xapp.domain.messages import SamplingParams

PROMPT = [5, 6, 7, 8, 5, 6, 7, 8, 5, 6, 7]


@pytest.mark.parametrize("strategy", [None, Ngram()])
def test_each_token_has_its_report(strategy: Ngram | None) -> None:
    harness = Harness()
    asked = harness.submit(
        PROMPT, 12, sampling=SamplingParams(top_log_probabilities=2), strategy=strategy, ignore_eos=True
    )
    harness.submit([1, 2, 3], 12, ignore_eos=True)
    reports, tokens = [], list(PROMPT)
    while asked.finished is None:
        events = harness.step()
        reports += events.reports
    assert {report.request_id for report in reports} == {asked.request.request_id}
    assert len(reports) == len(asked.tokens) == 12
    for token, report in zip(asked.tokens, reports, strict=True):
        assert report.log_probability == pytest.approx(log_probability(tokens, token))
        assert len(report.top) == 2
        tokens.append(token)


def test_a_request_that_asks_for_none_costs_none() -> None:
    harness = Harness()
    asked = harness.submit(PROMPT, 4)
    while asked.finished is None:
        assert harness.step().reports == []
