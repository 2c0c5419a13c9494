"""The command line: `genai-xapp`. A command is imported when it is used, so it needs only its own
packages.
"""

import importlib
import importlib.util
import os
import sys
from dataclasses import dataclass
from typing import Any

from xapp.early import prepare_grpc, quiet_interrupt

with quiet_interrupt():
    prepare_grpc()

    import click

    from xapp.cli.group import NearGroup
    from xapp.errors import XappError
    from xapp.extras import how_to_add
    from xapp.hosts import spare_loopback
    from xapp.text_file import is_utf8
    from xapp.visible import visible

EXIT_INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class _Lazy:
    """The module of a command, and its line in the overview."""

    module: str
    attribute: str
    help: str


_COMMANDS = {
    "serve": _Lazy("xapp.cli.serve", "serve", "Serve a model over gRPC on this node."),
    "rpc-serve": _Lazy(
        "xapp.cli.rpc_serve", "rpc_serve", "Compute layers of a model for a node that serves it."
    ),
    "run": _Lazy("xapp.cli.run", "run", "Fetch, serve and chat with a model: one command."),
    "chat": _Lazy("xapp.cli.chat.command", "chat", "Talk with a node; it remembers what was said."),
    "generate": _Lazy("xapp.cli.generate", "generate", "Stream an answer from a node."),
    "estimate": _Lazy("xapp.cli.estimate", "estimate", "Predict what an answer would take now."),
    "score": _Lazy("xapp.cli.score", "score", "Tell how likely each of several answers is."),
    "embed": _Lazy("xapp.cli.embed", "embed", "Turn texts into vectors."),
    "rerank": _Lazy("xapp.cli.rerank", "rerank", "Sort documents by their relevance for a query."),
    "tokenize": _Lazy("xapp.cli.tokenize", "tokenize", "Count a prompt's tokens."),
    "index": _Lazy("xapp.cli.index.command", "index", "Keep and search collections of documents."),
    "tasks": _Lazy("xapp.cli.tasks", "tasks", "See, check and run named questions."),
    "speak": _Lazy("xapp.cli.speak", "speak", "Speak a text into a WAV file."),
    "transcribe": _Lazy("xapp.cli.transcribe", "transcribe", "Print what is said in a file of audio."),
    "token": _Lazy("xapp.cli.token", "token", "Make a bearer token for a node."),
    "replay": _Lazy("xapp.cli.replay", "replay", "Run a recorded request again and compare."),
    "metrics": _Lazy("xapp.cli.metrics", "metrics", "Watch a node's load and speed."),
    "top": _Lazy("xapp.cli.top", "top", "Watch several nodes at once."),
    "models": _Lazy("xapp.cli.models", "models", "See, fetch, check and remove model files."),
    "descriptor": _Lazy("xapp.cli.descriptor", "descriptor", "Describe this xApp to a near-RT RIC."),
    "doctor": _Lazy(
        "xapp.cli.doctor.command", "doctor", "Check whether this machine can serve, and how well."
    ),
    "completion": _Lazy("xapp.cli.completion", "completion", "Have a shell complete commands."),
    "health": _Lazy("xapp.cli.health", "health", "Tell whether the node of this machine is ready."),
    "demo": _Lazy("xapp.cli.demo", "demo", "Start a server, ask it something, stop: all by itself."),
    "demo-big-little": _Lazy(
        "xapp.cli.demo_big_little", "demo_big_little", "A little and a big model on two nodes, one question."
    ),
    "demo-rag": _Lazy("xapp.cli.demo_rag", "demo_rag", "Index a folder, and ask with and without it."),
    "demo-voice": _Lazy(
        "xapp.cli.demo_voice", "demo_voice", "Ask a node by voice: from a WAV file to a WAV file."
    ),
    "bench": _Lazy("xapp.cli.bench", "bench", "Measure speed and memory."),
}


class _Group(NearGroup):
    """Imports a command on use. Prints errors in one line, with exit code 1."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name, lazy in _COMMANDS.items() if importlib.util.find_spec(lazy.module)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        lazy = _COMMANDS.get(cmd_name)
        if lazy is None or importlib.util.find_spec(lazy.module) is None:
            return None
        try:
            command: click.Command = getattr(importlib.import_module(lazy.module), lazy.attribute)
        except ModuleNotFoundError as error:
            raise _missing_extra(error) from error
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, _COMMANDS[name].help) for name in self.list_commands(ctx)])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuses bytes that are no UTF-8: no message has room for them."""
        for each in args:
            if not is_utf8(each):
                raise click.UsageError(f"{each[:64]!r} is not UTF-8", ctx)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except XappError as error:
            raise _OneLine(f"{error.code}: {error.message}") from error
        except _client_errors() as error:
            raise _OneLine(str(error)) from error
        except ModuleNotFoundError as error:
            raise _missing_extra(error) from error
        except KeyboardInterrupt:
            ctx.exit(EXIT_INTERRUPTED)


def _client_errors() -> tuple[type[Exception], ...]:
    """The client's errors, where a command has imported it: --version and --help do without gRPC."""
    client = sys.modules.get("xapp.client")
    return (client.ClientError,) if client is not None else ()


class _OneLine(click.ClickException):
    """`code: message` on standard error."""

    def show(self, file: Any = None) -> None:
        click.echo(visible(self.message), file=file, err=file is None)


def _missing_extra(error: ModuleNotFoundError) -> Exception:
    if (error.name or "").split(".")[0] == "xapp":
        return error
    return click.ClickException(
        f"this command needs the server extra: {how_to_add('server')} (no module {error.name})"
    )


def _say_version(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
    """The project's version and that of llama.cpp's build; the build's features are what `doctor` shows."""
    if asked:
        from xapp.version import build  # noqa: PLC0415  metadata of packages takes time to read

        click.echo(visible(build()))
        ctx.exit()


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_say_version,
    help="Say the version.",
)
def main() -> None:
    """A language model on a near-RT RIC's edge node, asked over gRPC.

    \b
      genai-xapp demo                        see it work: one command
      genai-xapp run smollm2-135m-q4_1       chat with a model: one command
      genai-xapp serve                       serve the default model on port 50051
      genai-xapp generate "What is O-RAN?"   ask it, from another shell
      genai-xapp metrics                     watch it

    Each command's --help says more.
    """  # noqa: D301  click reads \b as a backspace
    spare_loopback(os.environ)
