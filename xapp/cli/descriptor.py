"""`genai-xapp descriptor`: this xApp's descriptor for a near-RT RIC, made from the settings."""

import json
import os
from pathlib import Path
from typing import Any

import click

from xapp.cli.say import say

_PARTS = {"descriptor": "config-file.json", "schema": "schema.json", "policy-type": "llm_serving.json"}


@click.command()
@click.option("--name", default="genai-xapp", show_default=True, help="What the RIC calls the xApp.")
@click.option("--image", metavar="REGISTRY/NAME:TAG", help="Where the RIC finds the image.")
@click.option(
    "--part", type=click.Choice(list(_PARTS)), default="descriptor", show_default=True, help="What to print."
)
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help=f"Write all of them, {', '.join(_PARTS.values())}, there instead.",
)
def descriptor(name: str, image: str | None, part: str, folder: Path | None) -> None:
    """Print the xApp descriptor for the settings of the environment, checked as the RIC's onboarder does.

    \b
      genai-xapp descriptor --image registry.example:5000/ran/genai-xapp:0.1.0 --dir .
      dms_cli onboard config-file.json schema.json
      genai-xapp descriptor --part policy-type      # for A1: the policy type llm_serving

    Exit code 1: the onboarder would refuse it, and why.
    """  # noqa: D301  click reads \b as a backspace
    made = _parts(name, _image(image))
    if folder is None:
        say(_text(made[part]))
        return
    folder.mkdir(parents=True, exist_ok=True)
    for each, file in _PARTS.items():
        (folder / file).write_text(_text(made[each]) + "\n")
        say(str(folder / file))


def _parts(name: str, image: dict[str, str] | None) -> dict[str, Any]:
    """The parts of the descriptor. Raises ClickException where the onboarder would refuse them."""
    # Imported here, since the other commands need the base package only.
    from xapp.config import load_settings  # noqa: PLC0415
    from xapp.ric.descriptor import built_in, controls_schema  # noqa: PLC0415
    from xapp.ric.onboarding import faults  # noqa: PLC0415
    from xapp.ric.policy_type import policy_type  # noqa: PLC0415

    settings = load_settings(os.environ)
    made, schema = built_in(settings, name=name, image=image), controls_schema()
    if found := faults(made, schema):
        raise click.ClickException("\n".join(found))
    return {"descriptor": made, "schema": schema, "policy-type": policy_type(settings.ric.policy_type)}


def _image(text: str | None) -> dict[str, str] | None:
    if text is None:
        return None
    registry, slash, rest = text.partition("/")
    name, colon, tag = rest.rpartition(":")
    if not (slash and colon and registry and name and tag):
        raise click.UsageError(f"--image: {text!r} is not REGISTRY/NAME:TAG")
    return {"registry": registry, "name": name, "tag": tag}


def _text(part: Any) -> str:
    return json.dumps(part, indent=2, ensure_ascii=False)
