"""Alarms: when each is raised and cleared, and that the alarm manager hears of it in the end."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.ric.stand_ins import CLOSE, HANG, AlarmManager, impatient, no_wait
from xapp.ric import alarms
from xapp.ric.alarm_kinds import (
    CERTIFICATE_ENDS,
    CPU_THROTTLED,
    KINDS,
    MEMORY_PRESSURE,
    QUEUE_SATURATED,
    WORKER_LOST,
    AlarmKind,
)
from xapp.ric.alarms import MAX_ALARMS, Alarms, Figure, Hysteresis
from xapp.ric.platform import PlatformError


@asynccontextmanager
async def watched() -> AsyncIterator[tuple[AlarmManager, Alarms]]:
    async with AlarmManager().serving() as peer, impatient() as platform:
        yield peer, Alarms(alarms.AlarmManager(platform, peer.url, "genai", "pi-1"), no_wait())


def see(watch: Alarms, kind: AlarmKind, value: float, looks: int = 1, subject: str = "tiny") -> None:
    for _ in range(looks):
        watch.see([Figure(kind, subject, value)])


def after(kind: AlarmKind, values: list[float]) -> list[bool]:
    memory = Hysteresis(kind, "")
    seen = []
    for value in values:
        memory.see(value)
        seen.append(memory.raised)
    return seen


# ---- hysteresis


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.text)
def test_each_is_raised_and_cleared_after_its_looks(kind: AlarmKind) -> None:
    below = kind.clear_at - 0.01
    raised = after(kind, [kind.raise_at] * kind.raise_looks)
    assert raised == [False] * (kind.raise_looks - 1) + [True]
    both = after(kind, [kind.raise_at] * kind.raise_looks + [below] * kind.clear_looks)
    assert both[kind.raise_looks :] == [True] * (kind.clear_looks - 1) + [False]


def test_a_single_peak_raises_nothing_and_a_single_dip_clears_nothing() -> None:
    assert not any(after(MEMORY_PRESSURE, [0.99, 0.99, 0.5, 0.99, 0.99, 0.5] * 5))
    held = after(MEMORY_PRESSURE, [0.99] * 3 + [0.5, 0.5, 0.99] * 9)
    assert all(held[2:])


def test_between_the_two_figures_it_stays() -> None:
    assert not any(after(MEMORY_PRESSURE, [0.93] * 50))
    assert all(after(MEMORY_PRESSURE, [0.96] * 3 + [0.93] * 50)[2:])


def test_ids_and_texts_are_of_one_alarm_each() -> None:
    assert len({kind.id for kind in KINDS}) == len({kind.text for kind in KINDS}) == len(KINDS)
    assert all(kind.clear_at <= kind.raise_at for kind in KINDS)


# ---- the alarm manager


async def test_defined_raised_cleared() -> None:
    async with watched() as (peer, watch):
        see(watch, WORKER_LOST, 1)
        await watch.outbox.flush()
        assert peer.active == {(WORKER_LOST.id, "tiny")}
        assert peer.defined == {kind.id for kind in KINDS}
        assert peer.asked[1][2] == {
            "managedObjectId": "pi-1",
            "applicationId": "genai",
            "specificProblem": WORKER_LOST.id,
            "perceivedSeverity": "MAJOR",
            "identifyingInfo": "tiny",
            "additionalInfo": WORKER_LOST.text,
            "AlarmAction": "RAISE",
            "AlarmTime": 0,
        }
        see(watch, WORKER_LOST, 0, WORKER_LOST.clear_looks)
        await watch.outbox.flush()
        assert peer.active == set()
    assert [path for _, path, _ in peer.asked] == [
        "/ric/v1/alarms/define",
        "/ric/v1/alarms",
        "/ric/v1/alarms",
    ]


async def test_nothing_is_sent_while_nothing_is_wrong() -> None:
    async with watched() as (peer, watch):
        see(watch, CPU_THROTTLED, 0, 20)
        await watch.outbox.flush()
    assert peer.asked == []


@pytest.mark.parametrize("fault", [302, 404, 500, 503, HANG, CLOSE], ids=str)
async def test_a_fault_of_the_manager_is_tried_again(fault: int | str) -> None:
    async with watched() as (peer, watch):
        peer.fault = fault
        running = asyncio.create_task(watch.outbox.run())
        see(watch, QUEUE_SATURATED, 1, 3)
        await peer.until(lambda: len(peer.asked) >= 2)
        peer.fault = None
        await peer.until(lambda: peer.active == {(QUEUE_SATURATED.id, "tiny")})
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_what_flaps_while_the_manager_is_away_is_told_once() -> None:
    async with watched() as (peer, watch):
        peer.fault = 503
        for _ in range(100):
            see(watch, WORKER_LOST, 1)
            with pytest.raises(PlatformError):
                await watch.outbox.flush()
            see(watch, WORKER_LOST, 0, WORKER_LOST.clear_looks)
        see(watch, WORKER_LOST, 1)
        peer.fault = None
        peer.asked.clear()
        await watch.outbox.flush()
        assert peer.active == {(WORKER_LOST.id, "tiny")}
    assert len(peer.asked) == 2


async def test_a_manager_that_was_started_anew_hears_it_again() -> None:
    async with watched() as (peer, watch):
        see(watch, WORKER_LOST, 1)
        await watch.outbox.flush()
        peer.start_anew()
        watch.tell_again()
        await watch.outbox.flush()
        assert peer.active == {(WORKER_LOST.id, "tiny")}


async def test_what_an_alarm_was_about_goes_and_the_alarm_with_it() -> None:
    async with watched() as (peer, watch):
        see(watch, WORKER_LOST, 1)
        await watch.outbox.flush()
        watch.see([])
        assert watch.raised == []
        await watch.outbox.flush()
        assert peer.active == set()


async def test_a_node_that_leaves_clears_its_alarms() -> None:
    async with watched() as (peer, watch):
        see(watch, WORKER_LOST, 1)
        see(watch, CERTIFICATE_ENDS, -1, subject="pi-1")
        await watch.outbox.flush()
        await watch.leave()
        assert peer.active == set()


async def test_they_are_bounded() -> None:
    async with watched() as (_, watch):
        watch.see([Figure(WORKER_LOST, str(number), 1) for number in range(10 * MAX_ALARMS)])
        assert len(watch.raised) == MAX_ALARMS
        assert len(watch.outbox.states) == MAX_ALARMS


def test_days_of_a_certificate() -> None:
    now, day_s = time.time(), 86_400
    in_days = [(now - (now + days * day_s)) / day_s for days in (20, 14.5, 13.9, 14.5, 15.5)]
    assert after(CERTIFICATE_ENDS, in_days) == [False, False, True, True, False]
