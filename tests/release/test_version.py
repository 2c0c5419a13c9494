"""The version has one source, pyproject.toml; what repeats it says the same."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def chart() -> dict[str, Any]:
    chart: dict[str, Any] = yaml.safe_load((ROOT / "helm" / "genai-xapp" / "Chart.yaml").read_text())
    return chart


def test_the_chart_installs_this_version() -> None:
    assert chart()["appVersion"] == VERSION


def test_the_example_for_node_has_this_version() -> None:
    assert json.loads((ROOT / "clients" / "node" / "package.json").read_text())["version"] == VERSION


def test_the_changelog_begins_with_this_version_or_what_comes_next() -> None:
    headings = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] in {VERSION, "Unreleased"}
    assert VERSION in headings
