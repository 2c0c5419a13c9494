"""Checks of the machine: ports, clock, heat, key files."""

import shutil
import stat
import subprocess
import time
from pathlib import Path

from xapp.cli.doctor.finding import Finding, fail, good, warn
from xapp.config import Settings
from xapp.errors import ConfigError
from xapp.ports import check_free
from xapp.telemetry.host import hottest_celsius, throttled

_HOT_CELSIUS = 80.0
_EARLIEST = 1_735_689_600
"""The year 2025: no clock that is right shows less."""
_ASK_S = 5.0


def check_ports(settings: Settings) -> Finding:
    """Whether the ports can be listened on."""
    ports = {"XAPP_GRPC_PORT": settings.server.grpc_port, "XAPP_HTTP_PORT": settings.server.http_port}
    try:
        check_free(settings.server.host, ports)
    except ConfigError as error:
        return warn("ports", error.message, "end the program that listens there, or choose another port")
    return good("ports", f"{settings.server.host} ports {', '.join(map(str, ports.values()))} are free")


def check_clock() -> Finding:
    """Whether the clock is right: certificates, tokens and the age of inputs depend on it."""
    if time.time() < _EARLIEST:
        return fail("clock", f"it shows {time.ctime()}", "set the clock, and let NTP keep it")
    synchronised = _synchronised()
    if synchronised is False:
        advice = "timedatectl set-ntp true"
        return warn("clock", "it is not synchronised: tokens and certificates may be refused", advice)
    known = "it is synchronised" if synchronised else "whether it is synchronised is not known here"
    return good("clock", f"{time.ctime()}; {known}")


def _synchronised() -> bool | None:
    """None where systemd does not tell."""
    program = shutil.which("timedatectl")
    if program is None:
        return None
    command = [program, "show", "-p", "NTPSynchronized", "--value"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_ASK_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return {"yes": True, "no": False}.get(done.stdout.strip())


def check_heat() -> Finding:
    """Whether the board is slowed down by heat or by a weak power supply."""
    heat = hottest_celsius()
    shown = "no sensor" if heat is None else f"{heat:.0f} °C"
    if throttled():
        advice = "cool the board, and use the power supply that its maker recommends"
        return warn("heat", f"the board throttles, {shown}", advice)
    if heat is not None and heat >= _HOT_CELSIUS:
        return warn("heat", f"{shown}: it will throttle under load", "cool the board")
    return good("heat", shown)


def check_secrets(settings: Settings) -> Finding:
    """Whether files with secrets can be read by this user, and by nobody else."""
    for path in (Path(each) for each in (settings.tls.key, settings.access.tokens_file) if each):
        try:
            mode = path.stat().st_mode
        except OSError as error:
            return fail("secrets", f"{path}: {error.strerror}", "mend the setting, or the file's permissions")
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            return warn("secrets", f"others can read {path}", f"chmod 600 {path}")
    return good("secrets", "no file with a secret is open to others")
