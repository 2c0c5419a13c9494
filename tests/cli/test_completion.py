import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from xapp.cli import main
from xapp.version import build


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script(shell: str) -> None:
    result = CliRunner().invoke(main, ["completion", shell])
    assert result.exit_code == 0
    assert f"_GENAI_XAPP_COMPLETE={shell}_complete" in result.stdout


def completed(*words: str) -> list[str]:
    """What bash would offer for the last of the words."""
    asked = {"COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    environ = os.environ | asked | {"_GENAI_XAPP_COMPLETE": "bash_complete"}
    code = "from xapp.cli import main; main(prog_name='genai-xapp')"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=False
    )
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


def test_commands_and_options_are_completed() -> None:
    assert completed("genai-xapp", "gen") == ["generate"]
    assert completed("genai-xapp", "models", "pu") == ["pull"]
    assert "--max-token-gap" in completed("genai-xapp", "generate", "--max-t")


def test_the_version_names_the_binding_of_llama_cpp() -> None:
    assert CliRunner().invoke(main, ["--version"]).stdout == f"{build()}\n"
    assert "llama-cpp-python" in build()
