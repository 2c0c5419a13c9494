"""Writes the table of the chart's values into its README, from the comments of values.yaml.

    python -m scripts.chart_readme            write it
    python -m scripts.chart_readme --check    exit 1 when it is not that of this tree

A comment `# -- …` above a key describes it; a key without one has keys of its own.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).resolve().parent.parent / "helm" / "genai-xapp"
README = CHART / "README.md"
VALUES = CHART / "values.yaml"
_MARKS = ("<!-- values: python -m scripts.chart_readme -->\n", "<!-- end of values -->\n")
_KEY = re.compile(r"^( *)([A-Za-z]+):")
_INDENT = 2


def described(text: str) -> Iterator[tuple[str, str]]:
    """Dotted key and description, in the file's order."""
    path: list[str] = []
    comment: list[str] = []
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("#"):
            comment = (
                [stripped[5:]]
                if stripped.startswith("# -- ")
                else [*comment, stripped[2:]]
                if comment
                else []
            )
        elif key := _KEY.match(line):
            path[len(key[1]) // _INDENT :] = [key[2]]
            yield ".".join(path), " ".join(comment)
            comment = []
        else:
            comment = []


def rows(text: str) -> Iterator[str]:
    """The lines of the table."""
    values = yaml.safe_load(text)
    yield "| value | default | meaning |"
    yield "| --- | --- | --- |"
    for key, description in described(text):
        default = at(values, key)
        if description or not isinstance(default, dict) or not default:
            yield f"| `{key}` | `{json.dumps(default)}` | {description} |"


def at(values: Any, key: str) -> Any:
    """The value behind a dotted key."""
    for name in key.split("."):
        values = values[name]
    return values


def updated(readme: str, values: str) -> str:
    """The README with the table of these values between its marks."""
    head, _, rest = readme.partition(_MARKS[0])
    _, _, tail = rest.partition(_MARKS[1])
    return "".join([head, _MARKS[0], *(f"{row}\n" for row in rows(values)), _MARKS[1], tail])


def main() -> None:
    """Writes or checks."""
    text = README.read_text()
    new = updated(text, VALUES.read_text())
    if text == new:
        return
    if "--check" in sys.argv[1:]:
        sys.exit(
            "the chart's README has another table than values.yaml: run 'python -m scripts.chart_readme'"
        )
    README.write_text(new)


if __name__ == "__main__":
    main()
