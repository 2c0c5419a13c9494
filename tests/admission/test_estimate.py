"""What Estimate says of a request that is let in, and of one that is not."""

import msgspec
import pytest

from tests.engine.harness import Clock
from xapp.admission.admission import Admission
from xapp.admission.estimate import estimate
from xapp.admission.open_request import AdmissionRequest
from xapp.admission.predict import Predictor
from xapp.admission.quota import Quotas
from xapp.admission.residuals import Key
from xapp.backend.fake import fake_info
from xapp.config import EngineSettings
from xapp.domain.answers import Estimate
from xapp.domain.messages import Stats, StepCurve, StepPrices, Submit

STATS = Stats(prices=StepPrices())
CURVE = StepCurve((1, 2), (0.006, 0.007), (1, 2), (0.010, 0.015))


def asked(within_s: float, *, slower: float) -> Estimate:
    """A request of 1.1 s, where others of late took so many times what was simulated."""
    clock = Clock()
    info = msgspec.structs.replace(fake_info(EngineSettings(slots=2, kv_cells=4096)), curve=CURVE)
    admission = Admission(
        "m", 9, Predictor(lambda: info, lambda: STATS, clock), Quotas({}, clock), clock=clock
    )
    request = AdmissionRequest(clock.now, clock.now + within_s, 101, exact=True)
    for part in ("first", "rest"):
        for _ in range(8):
            admission.predictor._corrections._residuals.record(Key((request.priority, part)), 1.0, slower)
    return estimate(admission, request, Submit(1, [7] * 100, 101))


def test_others_who_will_come_are_expected() -> None:
    found = asked(600.0, slower=3.0)
    assert found.completion.p50 == pytest.approx(3 * 1.105)
    assert found.time_to_first_token.p50 == pytest.approx(3 * 0.105)


def test_who_is_let_in_ends_by_its_deadline() -> None:
    """Whoever would make it late is refused."""
    found = asked(2.0, slower=3.0)
    assert found.admitted
    assert (found.completion.p50, found.completion.p95) == (2.0, 2.0)
    assert (found.time_to_first_token.p95 or 0.0) <= 2.0


def test_who_is_refused_hears_what_it_would_take() -> None:
    found = asked(0.3, slower=3.0)
    assert not found.admitted
    assert (found.reason, found.retry_after_s) == ("DEADLINE_TOO_SHORT", None)
    assert found.completion.p50 == pytest.approx(3 * 1.105)
