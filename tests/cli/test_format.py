"""The options of `generate` that hold an answer to a format."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from xapp.cli.format import format_options, output_format
from xapp.client import choices, grammar, json_schema
from xapp.inference.v1 import inference_pb2 as pb


@click.command()
@format_options
def command(json_schema: str | None, grammar: str | None, choices: tuple[str, ...]) -> None:
    """Shows what would be sent."""
    click.echo(repr(output_format(json_schema, grammar, choices)), nl=False)


def run(*args: str, text: str = "") -> str:
    result = CliRunner().invoke(command, args, input=text)
    return result.output if result.exit_code == 0 else f"exit {result.exit_code}: {result.output}"


def test_from_files_and_from_standard_input(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_text('{"const": "é"}', encoding="utf-8")
    assert run("--json-schema", str(file)) == repr(json_schema('{"const": "é"}'))
    assert run("--grammar", str(file)) == repr(grammar('{"const": "é"}'))
    assert run("--json-schema", "-", text="{}") == repr(json_schema("{}"))
    assert run("--choices", "yes,no way") == repr(choices("yes", "no way"))
    assert run("--choice", "yes, please", "--choice", "no") == repr(choices("yes, please", "no"))
    assert run("--choices", "a,b", "--choice", "c") == repr(choices("c", "a", "b"))
    assert run() == "None"


def test_what_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    assert run("--grammar", str(tmp_path / "missing")).startswith("exit 2")
    assert "bytes: " in run("--grammar", str(tmp_path / "bytes"))
    assert "give one of" in run("--choices", "a", "--grammar", "-")


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (json_schema({"type": "null"}), pb.OutputFormat(json_schema='{"type": "null"}')),
        (grammar("root ::= [a]"), pb.OutputFormat(grammar="root ::= [a]")),
        (choices("a", "b"), pb.OutputFormat(choices=pb.Choices(choices=["a", "b"]))),
    ],
)
def test_what_the_client_makes(made: pb.OutputFormat, expected: pb.OutputFormat) -> None:
    assert made == expected
