"""The command `genai-xapp doctor`."""

import dataclasses
import json
import os
from collections.abc import Callable, Iterator

import click

from xapp.cli.doctor.energy import check_energy
from xapp.cli.doctor.finding import Finding, Level, fail, good
from xapp.cli.doctor.helpers import check_helpers
from xapp.cli.doctor.machine import check_clock, check_heat, check_ports, check_secrets
from xapp.cli.doctor.model import check_folder, check_memory, check_model
from xapp.cli.doctor.services import check_services
from xapp.cli.doctor.software import check_build
from xapp.cli.doctor.speed import check_speed
from xapp.cli.options import json_option
from xapp.cli.say import say
from xapp.config import Settings, load_settings
from xapp.errors import ConfigError
from xapp.visible import visible_json

CHECKS: tuple[Callable[[Settings], Finding], ...] = (
    lambda _: check_build(),
    check_folder,
    check_model,
    check_memory,
    check_services,
    check_helpers,
    check_ports,
    lambda _: check_clock(),
    lambda _: check_heat(),
    check_energy,
    check_secrets,
)
_COLOURS = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "red"}


@click.command()
@click.option("--model", metavar="NAME|PATH", help="The model to check. Default: the settings' own.")
@click.option("--quick", is_flag=True, help="Start no server: leave out the time to first token.")
@json_option
def doctor(model: str | None, quick: bool, as_json: bool) -> None:
    """Check whether this machine can serve, and how well; say what to do about each finding.

    Reads the settings as `serve` does. Looks at llama.cpp's build and the CPU, the models folder, the model
    and its memory, all services together, helpers, ports, clock, heat, the meter of energy and files with
    secrets. Then a server of its own answers a question, if nothing failed.

    Exit code 0: nothing failed. 1: a check failed.
    """
    failed = False
    for finding in findings(model, quick=quick):
        failed |= finding.level is Level.FAIL
        _show(finding, as_json=as_json)
    if failed:
        raise SystemExit(1)


def findings(model: str | None = None, *, quick: bool = False) -> Iterator[Finding]:
    """Each check's finding, as soon as it is known. The speed is last, where nothing failed before."""
    try:
        settings = load_settings(os.environ, {"model": model})
    except ConfigError as error:
        yield fail("settings", error.message, "mend the setting; genai-xapp serve --help lists all")
        return
    yield good("settings", "all are good")
    failed = False
    for check in CHECKS:
        finding = check(settings)
        failed |= finding.level is Level.FAIL
        yield finding
    if not quick and not failed:
        yield check_speed(settings)


def _show(finding: Finding, *, as_json: bool) -> None:
    if as_json:
        click.echo(visible_json(json.dumps(dataclasses.asdict(finding), ensure_ascii=False)))
        return
    mark = click.style(f"{finding.level:<5}", fg=_COLOURS[finding.level])
    click.echo(mark, nl=False)
    say(f"{finding.about:<10}{finding.text}")
    if finding.advice:
        say(f"{'':<15}→ {finding.advice}")
