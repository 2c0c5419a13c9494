"""docs/robustness.md names every rule, point and action, and each fault's test is there."""

import re
from pathlib import Path

import pytest

from tests.robustness.rules import RULES
from xapp.failpoints.spec import POINTS

TESTS = Path(__file__).parent.parent
PAGE = (TESTS.parent / "docs" / "robustness.md").read_text()
NAMED = re.findall(r"\| `([\w/]+\.py)::(test_\w+)` \|$", PAGE, re.MULTILINE)


def first_cells(heading: str) -> set[str]:
    """The code at the beginning of each row below a heading."""
    (section,) = re.findall(rf"^## {heading}\n(.*?)(?=^## )", PAGE, re.MULTILINE | re.DOTALL)
    return set(re.findall(r"^\| `(\w+)", section, re.MULTILINE))


def test_rules_points_and_actions_are_those_of_the_code() -> None:
    assert first_cells("Random faults under load") == set(RULES)
    assert first_cells("Failpoints") == {*POINTS, *(action for some in POINTS.values() for action in some)}


def test_every_fault_has_a_test() -> None:
    (faults,) = re.findall(r"^## Faults that were found\n(.*)", PAGE, re.MULTILINE | re.DOTALL)
    rows = re.findall(r"^\| (?!---|fault \| test \|).*", faults, re.MULTILINE)
    assert [row for row in rows if not re.search(r"`[\w/]+\.py::test_\w+` \|$", row)] == []
    assert len(NAMED) == len(rows) > 60


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_the_test_is_there(file: str, test: str) -> None:
    assert re.search(rf"def {test}\(", (TESTS / file).read_text())
