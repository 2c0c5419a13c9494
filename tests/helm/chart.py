"""The chart as Helm renders it."""

import json
import subprocess
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parents[2] / "helm" / "genai-xapp"
Manifest = dict[str, Any]


class Refused(Exception):
    """Helm does not render it; the message is Helm's."""


class Chart:
    """Renders with a given Helm."""

    def __init__(self, helm: str) -> None:
        self._helm = helm
        self._rendered: dict[tuple[str, str], str] = {}

    def lint(self) -> str:
        """What `helm lint --strict` says. Raises Refused."""
        return self._run("lint", "--strict", str(CHART))

    def render(self, values: dict[str, Any] | None = None, *, name: str = "genai-xapp") -> list[Manifest]:
        """Every manifest. Raises Refused."""
        key = (name, json.dumps(values or {}))
        if key not in self._rendered:
            command = ("template", name, str(CHART), "--namespace", "ricxapp", "--values", "-")
            self._rendered[key] = self._run(*command, text=key[1])
        return [m for m in yaml.safe_load_all(self._rendered[key]) if m]

    def one(self, kind: str, values: dict[str, Any] | None = None, *, name: str = "") -> Manifest:
        """The only manifest of a kind, or the one whose name ends so."""
        manifests = self.render(values)
        (found,) = [m for m in manifests if m["kind"] == kind and m["metadata"]["name"].endswith(name)]
        return found

    def pod(self, values: dict[str, Any] | None = None) -> Manifest:
        """The pod's specification."""
        kind = (values or {}).get("kind", "DaemonSet")
        return dict(self.one(kind, values)["spec"]["template"]["spec"])

    def _run(self, *command: str, text: str = "") -> str:
        done = subprocess.run(
            [self._helm, *command], input=text, capture_output=True, text=True, check=False, timeout=60
        )
        if done.returncode:
            raise Refused(done.stderr + done.stdout)
        return done.stdout
