"""The node that a command asks, and the credentials for it."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
import grpc

from xapp.client import Client, Retry
from xapp.hosts import DEFAULT_TARGET
from xapp.text_file import read_text
from xapp.tls import credentials

SYSTEM = "system"
"""The value of --node-ca for gRPC's own authorities."""

_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Node:
    """Without `credentials` the connection is plain text. Without `token` no token is sent."""

    target: str
    credentials: grpc.ChannelCredentials | None = None
    token: str = ""
    server_name: str = ""

    def client(self, client_id: str = "", retry: Retry | None = None) -> Client:
        """A client of the node."""
        return Client(
            self.target,
            credentials=self.credentials,
            retry=retry,
            token=self.token,
            client_id=client_id,
            server_name=self.server_name,
        )


def node_options(command: _F) -> _F:
    """`node`, from --target and the options for TLS and a token."""
    return _with_nodes(command, _TARGET, lambda nodes: {"node": nodes[0]})


def nodes_options(command: _F) -> _F:
    """`nodes`, from one or more --target and the options for TLS and a token, which hold for all of them."""
    return _with_nodes(command, _TARGETS, lambda nodes: {"nodes": nodes})


def _with_nodes(
    command: _F, target_option: Callable[[Any], Any], named: Callable[[list[Node]], dict[str, Any]]
) -> _F:
    @functools.wraps(command)
    def with_nodes(
        *,
        target: str | tuple[str, ...],
        node_ca: str | None,
        client_cert: Path | None,
        client_key: Path | None,
        token_file: Path | None,
        **others: Any,
    ) -> Any:
        credentials, token = _credentials(node_ca, client_cert, client_key), _token(token_file)
        targets = (target,) if isinstance(target, str) else target
        return command(**named([Node(each, credentials, token) for each in targets]), **others)

    wrapped: Any = with_nodes
    for option in reversed((target_option, *_ACCESS_OPTIONS)):
        wrapped = option(wrapped)
    done: _F = wrapped
    return done


def _file(name: str, key: str, help_text: str) -> Callable[[_F], _F]:
    file = click.Path(exists=True, dir_okay=False, path_type=Path)
    return click.option(name, type=file, envvar=key, show_envvar=True, metavar="FILE", help=help_text)


_ABOUT_TARGET: dict[str, Any] = {"envvar": "XAPP_TARGET", "show_default": True, "show_envvar": True}
_TARGET = click.option(
    "--target",
    default=DEFAULT_TARGET,
    metavar="HOST:PORT",
    help="The node's gRPC address.",
    **_ABOUT_TARGET,
)
_TARGETS = click.option(
    "--target",
    multiple=True,
    default=(DEFAULT_TARGET,),
    metavar="HOST:PORT",
    help="A node's gRPC address. Repeatable; the variable separates them by spaces.",
    **_ABOUT_TARGET,
)
_ACCESS_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--node-ca",
        envvar="XAPP_NODE_CA",
        show_envvar=True,
        metavar=f"FILE|{SYSTEM}",
        help="Use TLS, and trust a node with a certificate from these authorities.",
    ),
    _file("--client-cert", "XAPP_CLIENT_CERT", "The certificate to show, for a node with mutual TLS."),
    _file("--client-key", "XAPP_CLIENT_KEY", "The key of that certificate."),
    _file("--token-file", "XAPP_TOKEN_FILE", "A file with the bearer token to show."),
)


def _credentials(node_ca: str | None, cert: Path | None, key: Path | None) -> grpc.ChannelCredentials | None:
    if node_ca is None:
        if cert or key:
            raise click.UsageError(
                "--client-cert and --client-key need --node-ca: without it there is no TLS"
            )
        return None
    try:
        return credentials(None if node_ca == SYSTEM else Path(node_ca), cert, key)
    except OSError as error:
        raise click.BadParameter(f"cannot read {error.filename}: {error.strerror}") from error
    except ValueError as error:
        raise click.UsageError(f"--client-cert, --client-key: {error}") from error


def _token(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        return read_text(path).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"--token-file: cannot read {path}: {error}") from error
