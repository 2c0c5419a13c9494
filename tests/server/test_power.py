"""Energy and heat on the wire: what the meters tell, and nothing else."""

from dataclasses import replace

import pytest

from tests.server.fake_service import MODEL
from xapp.domain.messages import Stats
from xapp.domain.power import Energy, HeatOutlook, PowerState
from xapp.domain.states import ModelSample
from xapp.inference.v1 import inference_pb2 as pb
from xapp.server import respond
from xapp.server.load_meter import Rates
from xapp.server.load_reports import load_report
from xapp.server.power import add_power
from xapp.telemetry.host import HostUsage
from xapp.telemetry.reading import ModelReading, NodeReading

STATE = PowerState(50.0, 8.0, 2.5, 71.0, False, HeatOutlook(throttles_in_s=42.0), "RAPL: package-0")


def reading(tokens: int, energy: Energy | None, power: PowerState = STATE) -> NodeReading:
    sample = ModelSample(MODEL, Stats(total_decode_tokens=tokens), energy=energy)
    return NodeReading(float(tokens), 0, HostUsage(), {MODEL: ModelReading(sample)}, power)


def shown(before: NodeReading, after: NodeReading) -> pb.HostMetrics:
    host = pb.HostMetrics()
    add_power(host, before, after)
    return host


def test_what_the_meters_tell() -> None:
    host = shown(reading(10, Energy(5.0, 3.0)), reading(20, Energy(30.0, 18.0)))
    assert (host.power_watts, host.idle_power_watts, host.energy_joules) == (8.0, 2.5, 50.0)
    assert (host.temperature_celsius, host.throttled, host.HasField("throttled")) == (71.0, False, True)
    assert host.throttles_in.ToMilliseconds() == 42_000
    assert host.energy_per_token == pb.Energy(gross_joules=2.5, above_idle_joules=1.5)
    assert host.power_meter == "RAPL: package-0"


def test_without_a_meter_every_field_is_unset() -> None:
    host = shown(reading(10, None, PowerState()), reading(20, None, PowerState()))
    assert host == pb.HostMetrics()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (reading(10, Energy(5.0)), reading(10, Energy(6.0))),
        (reading(10, None), reading(20, Energy(6.0))),
        (reading(10, Energy(5.0)), reading(20, None)),
    ],
    ids=["no token", "no meter before", "no meter now"],
)
def test_no_energy_a_token_where_it_is_not_known(before: NodeReading, after: NodeReading) -> None:
    assert not shown(before, after).HasField("energy_per_token")


def test_an_unknown_idle_power_leaves_the_gross_energy() -> None:
    host = shown(reading(10, Energy(5.0)), reading(20, Energy(30.0, 18.0)))
    assert host.energy_per_token == pb.Energy(gross_joules=2.5)


def test_the_energy_of_an_answer() -> None:
    assert respond.energy(None) is None
    assert respond.energy(Energy(4.0)) == pb.Energy(gross_joules=4.0)
    assert respond.energy(Energy(4.0, 0.0)) == pb.Energy(gross_joules=4.0, above_idle_joules=0.0)


def test_a_node_that_lowers_its_clock_is_fuller_by_its_loss_of_speed() -> None:
    cool = ModelSample("m", num_slots=4)
    rates = Rates(ended=5, mean_open=2)
    assert load_report(rates, [cool]).application_utilization == 0.5
    assert load_report(rates, [cool, replace(cool, slowdown=1.6)]).application_utilization == pytest.approx(
        0.4
    )
