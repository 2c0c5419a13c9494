"""An estimate says the same whether or not others asked for the same before."""

from dataclasses import replace

import msgspec
import pytest

from tests.engine.harness import Clock
from xapp.admission.admission import Admission
from xapp.admission.admission_request import admission_request
from xapp.admission.estimate import estimate
from xapp.admission.predict import Predictor
from xapp.admission.quota import Quotas
from xapp.backend.fake import fake_info
from xapp.config import AdmissionSettings, EngineSettings
from xapp.domain.answers import Estimate
from xapp.domain.messages import Stats, StepCurve, StepPrices, Submit
from xapp.domain.requests import Request
from xapp.domain.scope import of_principal

CURVE = StepCurve((1, 2), (0.006, 0.007), (1, 2), (0.010, 0.015))
PROMPT = [7] * 100
LENGTHS = (3, 3, 3, 3, 3, 3)
MINE, THEIRS = of_principal("me"), of_principal("them")


def estimated(*before: str, task: str) -> Estimate:
    """What I am told after requests with the same prompt in these scopes, with short answers."""
    clock = Clock()
    info = msgspec.structs.replace(fake_info(EngineSettings(slots=2, kv_cells=4096)), curve=CURVE)
    stats = Stats(prices=StepPrices())
    predictor = Predictor(lambda: info, lambda: stats, clock)
    admission = Admission("m", 9, predictor, Quotas({}, clock), clock=clock)
    request = Request("x" * 400, scope=MINE, client="me", task_label=task)
    for scope in before:
        theirs = admission_request(replace(request, scope=scope), AdmissionSettings(), 4096, clock.now)
        predictor._prefixes.add(Submit(1, PROMPT, 100, scope=scope))
        for length in LENGTHS:
            predictor.lengths.record(theirs, predictor.lengths.hint(theirs), length, cut=False)
    mine = admission_request(request, AdmissionSettings(), 4096, clock.now)
    return estimate(admission, mine, Submit(2, PROMPT, 100, scope=MINE))


@pytest.mark.parametrize("task", ["", "triage@1"])
def test_an_estimate_tells_nothing_of_others(task: str) -> None:
    alone = estimated(task=task)
    assert estimated(THEIRS, task=task) == alone
    mine = estimated(MINE, task=task)
    assert (mine.time_to_first_token.p50 or 0) < (alone.time_to_first_token.p50 or 0)
    assert mine.num_completion_tokens < alone.num_completion_tokens
