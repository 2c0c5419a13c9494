"""What commands need to ask a node with TLS and tokens."""

from collections.abc import Iterator
from pathlib import Path

import click.testing
import pytest
from click.testing import CliRunner

from tests.certificates import Authority
from tests.live import serving
from xapp.cli import main
from xapp.security.tokens import hash_of

TOKEN = "the-planners"
SECURED = ["generate", "tokenize", "estimate", "metrics --count 1", "tasks list"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("node")


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    return Authority(folder)


@pytest.fixture(scope="module")
def shown(folder: Path, authority: Authority) -> Iterator[dict[str, str]]:
    """The environment for a command that is let in."""
    pair, own = authority.sign("node"), authority.sign("planner")
    (folder / "tokens.toml").write_text(f'planner = ["{hash_of(TOKEN)}"]\n')
    (folder / "token").write_text(TOKEN + "\n")
    environ = {"XAPP_BACKEND": "fake", "XAPP_TLS_CERT": str(pair.cert), "XAPP_TLS_KEY": str(pair.key)}
    environ |= {"XAPP_TLS_CLIENT_CA": str(authority.cert), "XAPP_TOKENS_FILE": str(folder / "tokens.toml")}
    with serving(environ) as server:
        yield {
            "XAPP_TARGET": server.target,
            "XAPP_NODE_CA": str(authority.cert),
            "XAPP_CLIENT_CERT": str(own.cert),
            "XAPP_CLIENT_KEY": str(own.key),
            "XAPP_TOKEN_FILE": str(folder / "token"),
        }


def run(command: str, environ: dict[str, str], *arguments: str) -> click.testing.Result:
    return CliRunner().invoke(main, [*command.split(), *arguments], env=environ)


def prompt_of(command: str) -> list[str]:
    return [] if command.startswith(("metrics", "tasks")) else ["hi"]


@pytest.mark.slow
@pytest.mark.parametrize("command", SECURED)
def test_a_command_is_let_in(shown: dict[str, str], command: str) -> None:
    result = run(command, shown, *prompt_of(command))
    assert result.exit_code == 0, result.stderr


@pytest.mark.slow
@pytest.mark.parametrize("command", SECURED)
def test_a_wrong_token_is_said(shown: dict[str, str], folder: Path, command: str) -> None:
    (folder / "wrong").write_text("wrong")
    result = run(command, shown | {"XAPP_TOKEN_FILE": str(folder / "wrong")}, *prompt_of(command))
    assert result.exit_code == 1
    assert result.stderr.startswith("UNAUTHENTICATED: nobody has this bearer token")


def test_a_certificate_without_tls_is_refused(folder: Path, authority: Authority) -> None:
    result = run("tokenize", {}, "hi", "--client-cert", str(authority.cert))
    assert result.exit_code == 2
    assert "--node-ca" in result.stderr


def test_a_certificate_without_its_key_is_refused(authority: Authority) -> None:
    ca = str(authority.cert)
    result = run("tokenize", {}, "hi", "--node-ca", ca, "--client-cert", ca)
    assert result.exit_code == 2
    assert "needs its key" in result.stderr


def test_authorities_that_are_not_there(tmp_path: Path) -> None:
    result = run("tokenize", {}, "hi", "--node-ca", str(tmp_path / "none"))
    assert result.exit_code == 2
    assert str(tmp_path / "none") in result.stderr
