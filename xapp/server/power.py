"""The meters of energy and heat in a sample of the Metrics method."""

from xapp.domain.power import NEVER_S, Energy
from xapp.durations import to_duration
from xapp.inference.v1 import inference_pb2 as pb
from xapp.server import respond
from xapp.telemetry.reading import NodeReading


def add_power(host: pb.HostMetrics, previous: NodeReading, current: NodeReading) -> None:
    """Sets the fields that the node's meters can tell, and leaves the others as they are."""
    power = current.power
    for field, value in (
        ("power_watts", power.watts),
        ("idle_power_watts", power.idle_watts),
        ("energy_joules", power.joules),
        ("temperature_celsius", power.celsius),
        ("throttled", power.throttled),
    ):
        if value is not None:
            setattr(host, field, value)
    if power.heat.throttles_in_s < NEVER_S:
        host.throttles_in.CopyFrom(to_duration(power.heat.throttles_in_s))
    if per_token := respond.energy(energy_per_token(previous, current)):
        host.energy_per_token.CopyFrom(per_token)
    host.power_meter = power.meter


def energy_per_token(previous: NodeReading, current: NodeReading) -> Energy | None:
    """Energy of all models since `previous`, by the tokens that they generated. None without a token, and
    where a model's energy is not known.
    """
    names = previous.models.keys() & current.models.keys()
    pairs = [(previous.models[name].sample, current.models[name].sample) for name in names]
    tokens = sum(max(0, now.stats.total_decode_tokens - was.stats.total_decode_tokens) for was, now in pairs)
    energies = [(was.energy, now.energy) for was, now in pairs]
    if not tokens or any(was is None or now is None for was, now in energies):
        return None
    known = [(was, now) for was, now in energies if was is not None and now is not None]
    gross = sum(max(0.0, now.gross_j - was.gross_j) for was, now in known)
    above = _above_idle(known)
    return Energy(gross / tokens, None if above is None else above / tokens)


def _above_idle(energies: list[tuple[Energy, Energy]]) -> float | None:
    grown = [
        now.above_idle_j - was.above_idle_j
        for was, now in energies
        if now.above_idle_j is not None and was.above_idle_j is not None
    ]
    return sum(max(0.0, each) for each in grown) if len(grown) == len(energies) else None
