"""docs/terminal.md says what the commands do."""

import re
from pathlib import Path

from xapp.cli.chat.commands import COMMANDS
from xapp.cli.doctor.command import CHECKS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "terminal.md").read_text()


def first_cells(heading: str) -> list[str]:
    (section,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    return [line.strip("| ").split(" | ")[0] for line in section.splitlines() if line.startswith("| ")]


def test_the_page_has_every_command_of_the_chat() -> None:
    listed = [cell.strip("`/").split()[0] for cell in first_cells("Chat") if cell.startswith("`/")]
    assert listed == list(COMMANDS)


def test_the_page_has_every_check() -> None:
    checks = [cell for cell in first_cells("Check a machine") if cell not in {"check", "---"}]
    # The settings and the speed are checks of their own.
    assert len(checks) == len(CHECKS) + 2
