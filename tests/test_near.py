"""What somebody may have meant."""

import pytest
from click.testing import CliRunner

from xapp.cli import main
from xapp.near import MAX_CHARS, did_you_mean, nearest

KNOWN = ("qwen2.5-0.5b", "qwen2.5-1.5b", "smollm2-135m-q4_1")


@pytest.mark.parametrize(
    ("name", "meant"),
    [("qwen2.5-05b", "qwen2.5-0.5b"), ("SmolLM2-135M", "smollm2-135m-q4_1"), ("mistral", ""), ("", "")],
)
def test_the_nearest_is_named_where_one_is_near(name: str, meant: str) -> None:
    assert nearest(name, KNOWN) == meant
    assert did_you_mean(name, KNOWN) == (f"; did you mean {meant}?" if meant else "")


def test_a_long_name_is_compared_with_nothing() -> None:
    long = "a" * (MAX_CHARS + 1)
    assert nearest(long, [long]) == ""


@pytest.mark.parametrize(
    ("command", "meant"),
    [
        (["genrate"], "generate"),
        (["bench", "lod"], "load"),
        (["models", "pul"], "pull"),
        (["tasks", "lst"], "list"),
    ],
)
def test_a_mistyped_command_names_what_was_meant(command: list[str], meant: str) -> None:
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 2
    assert f"; did you mean {meant}?" in result.stderr


def test_what_is_like_no_command_names_none() -> None:
    result = CliRunner().invoke(main, ["xyzzy"])
    assert (result.exit_code, "did you mean" in result.stderr) == (2, False)
