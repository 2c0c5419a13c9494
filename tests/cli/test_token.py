"""The command that makes tokens: what it prints is what a node reads."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from xapp.cli import main
from xapp.security.tokens import read_tokens


@pytest.mark.parametrize("name", ["planner", 'odd "name" \\', "ran.watch"])
def test_a_token_and_its_line(tmp_path: Path, name: str) -> None:
    result = CliRunner().invoke(main, ["token", name])
    assert result.exit_code == 0, result.output
    file = tmp_path / "tokens.toml"
    file.write_text(result.stderr)
    assert read_tokens(file).find(result.stdout.strip()) == name
    assert result.stdout.strip() not in result.stderr


@pytest.mark.parametrize("name", ["", "x" * 129, "ümlaut", "a\nb"])
def test_a_name_that_cannot_be(name: str) -> None:
    result = CliRunner().invoke(main, ["token", name])
    assert result.exit_code == 2
    assert "printable ASCII" in result.stderr
