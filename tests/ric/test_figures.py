"""The figures of alarms: what the service, the host and the certificate say."""

from dataclasses import replace

import msgspec
import pytest

from tests.server.fake_service import MODEL, STATS, FakeHost, FakeService
from xapp.domain.power import NEVER_S, HeatOutlook, PowerState
from xapp.domain.states import ModelState, ModelStatus
from xapp.ric.alarm_kinds import (
    CERTIFICATE_ENDS,
    CPU_THROTTLED,
    HEAT,
    MEMORY_PRESSURE,
    QUEUE_SATURATED,
    WORKER_LOST,
)
from xapp.ric.figures import Figures, memory_share
from xapp.telemetry.host import HostUsage


class Loaded(FakeService):
    """One model, as the test wants it."""

    def __init__(self) -> None:
        super().__init__()
        self.model = ModelStatus(MODEL, ModelState.LOADING)

    def list_models(self) -> list[ModelStatus]:
        return [ModelStatus("other", ModelState.AVAILABLE), self.model]


def lost(figures: Figures) -> dict[str, float]:
    return {each.subject: each.value for each in figures.of_service() if each.kind is WORKER_LOST}


def test_a_worker_is_lost_once_it_has_served() -> None:
    service = Loaded()
    figures = Figures(service, FakeHost(), "pi-1", 8)

    def look(state: ModelState, num_restarts: int = 0) -> float | None:
        service.model = replace(service.model, state=state, num_restarts=num_restarts)
        return lost(figures).get(MODEL)

    assert look(ModelState.LOADING) is None
    assert look(ModelState.FAILED) is None
    assert look(ModelState.READY) == 0
    assert look(ModelState.LOADING) == 1
    assert look(ModelState.READY, 1) == 1, "it was lost and is back since the last look"
    assert look(ModelState.READY, 1) == 0
    assert look(ModelState.FAILED, 1) == 1
    assert look(ModelState.DRAINING, 1) == 0
    assert look(ModelState.AVAILABLE, 1) is None


def test_the_queue_as_a_share() -> None:
    service = FakeService(stats=msgspec.structs.replace(STATS, num_waiting=6))
    (figure,) = [f for f in Figures(service, FakeHost(), "n", 8).of_service() if f.kind is QUEUE_SATURATED]
    assert (figure.subject, figure.value) == (MODEL, 0.75)
    assert QUEUE_SATURATED not in {f.kind for f in Figures(service, FakeHost(), "n", 0).of_service()}


def test_the_days_since_the_end_of_a_certificate() -> None:
    def of(not_after: float | None) -> list[float]:
        figures = Figures(FakeService(), FakeHost(), "n", 8, lambda: not_after, now=lambda: 1000 * 86_400)
        return [each.value for each in figures.of_service() if each.kind is CERTIFICATE_ENDS]

    assert of(None) == []
    assert of(1007 * 86_400) == [-7]
    assert of(999 * 86_400) == [1]


@pytest.mark.parametrize(("throttles_in_s", "value"), [(0.0, 1.0), (30.0, 1.0), (31.0, 0.0), (NEVER_S, 0.0)])
def test_a_node_that_is_about_to_throttle(throttles_in_s: float, value: float) -> None:
    service = FakeService(power=PowerState(heat=HeatOutlook(throttles_in_s=throttles_in_s)))
    (figure,) = [each for each in Figures(service, FakeHost(), "n", 8).of_service() if each.kind is HEAT]
    assert (figure.subject, figure.value) == ("n", value)


@pytest.mark.parametrize(
    ("throttled", "periods", "share"),
    [(True, (0, 0), 1.0), (False, (100, 30), 0.3), (None, (0, 0), 0.0)],
    ids=["by the board", "by the quota", "neither"],
)
def test_a_throttled_cpu(throttled: bool | None, periods: tuple[int, int], share: float) -> None:
    host, counts = FakeHost(), [(0, 0)]
    host.usage = HostUsage(throttled=throttled)
    figures = Figures(FakeService(), host, "n", 8, periods=lambda: counts[-1])
    counts.append(periods)
    values = {figure.kind: figure.value for figure in figures.of_host()}
    assert values[CPU_THROTTLED] == share


def test_the_share_of_memory_is_a_share() -> None:
    assert 0 < memory_share() < 1
    figures = Figures(FakeService(), FakeHost(), "n", 8, share_of_memory=lambda: 0.97)
    assert {figure.kind: figure.value for figure in figures.of_host()}[MEMORY_PRESSURE] == 0.97
