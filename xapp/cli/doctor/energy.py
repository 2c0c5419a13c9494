"""Check of the meter of energy."""

import time
from pathlib import Path

from xapp.cli.doctor.finding import Finding, fail, good, warn
from xapp.config import PowerSettings, Settings
from xapp.telemetry.power.meter import EnergyMeter, NoMeter
from xapp.telemetry.power.node_power import find_meters

_BUDGETS = "XAPP_POWER_BUDGET_W and XAPP_POWER_BUDGET_J_PER_HOUR"


def check_energy(settings: Settings) -> Finding:
    """Whether a meter answers, where the settings name one or a budget needs one."""
    own = settings.power
    found = find_meters(own.meter, Path(own.sys), own.vcgencmd, own.sensor)
    if found.meter is None:
        return _without(own, found.fault)
    try:
        return good("energy", f"{found.meter.name}: {_watts(found.meter):.1f} W now")
    except NoMeter as reason:
        return _without(own, str(reason))


def _watts(meter: EnergyMeter) -> float:
    """The mean over two readings of the meter."""
    before, began = meter.joules(), time.monotonic()
    time.sleep(2 * meter.interval_s)
    return (meter.joules() - before) / (time.monotonic() - began)


def _without(own: PowerSettings, fault: str) -> Finding:
    if own.budget_w is not None or own.budget_j_per_hour is not None:
        return fail("energy", f"nothing measures what the budget bounds: {fault}", f"unset {_BUDGETS}")
    if own.meter in {"auto", "off"}:
        return good("energy", f"answers tell no joules: {fault}")
    return warn("energy", f"answers tell no joules: {fault}", "mend XAPP_POWER_METER, or set it to auto")
