"""`genai-xapp serve`: the server in the foreground, until SIGTERM or Ctrl-C."""

import asyncio
import logging
import os
import sys
from collections.abc import Iterator
from typing import Any

import click

from xapp import failpoints, logs
from xapp.cli.exit_codes import EXIT_CONFIG
from xapp.cli.say import say
from xapp.config import KEYS, TABLES, Key, Settings, load_settings, own_server, unknown_keys
from xapp.errors import ConfigError
from xapp.settings_file import FILE_KEY

_log = logging.getLogger("xapp")


def _settings_help() -> str:
    """All settings with their defaults, by the tables of the file."""
    return "\n".join(line for table in TABLES for line in _table_help(table))


def _table_help(table: str) -> Iterator[str]:
    yield f"[{table}]"
    for key in (key for key in KEYS if key.table == table):
        yield f"  {key.name:<21}  {key.variable:<26}  {_default(key)}".rstrip()


_DEFAULTS_IN_WORDS = {
    "memory_limit_mb": "(what is free)",
    "models_dir": "~/.cache/genai-xapp/models",
    "node_name": "(the host's name)",
    "tasks_dir": "(the tasks that are shipped)",
}


def _default(key: Key) -> str:
    if words := _DEFAULTS_IN_WORDS.get(key.flat):
        return words
    field = key.field
    if field.default == "":
        return "(none)"
    if field.default is None:
        return "(sized from the node)"
    if isinstance(field.default, bool):
        return str(field.default).lower()
    return f"{field.default:g}" if isinstance(field.default, float) else str(field.default)


_EPILOG = f"""\b
Settings, from the weakest to the strongest: the default, the TOML file that
{FILE_KEY} names, the environment, an option of this command. Each has a
key in a table of the file and a variable of the environment. What holds for
one model only is in [models.NAME] of the file. All of them, with defaults:
\b
{_settings_help()}
\b
Exit codes: 0 ended by a signal, streams drained; 1 ended at once by a second
signal; 2 a setting is wrong or a port is in use; 3 the model cannot be served;
4 the gRPC port was lost.
\b
Examples:
  genai-xapp serve
  genai-xapp serve --model ./my-model.Q4_K_M.gguf --grpc-port 50052
  XAPP_SLOTS=4 XAPP_CONTEXT_LENGTH=4096 genai-xapp serve
"""


@click.command(epilog=_EPILOG)
@click.option("--model", metavar="NAME|PATH", help="Catalogue name, or path of a GGUF file.  [XAPP_MODEL]")
@click.option("--models-dir", metavar="DIR", help="Where model files live.  [XAPP_MODELS_DIR]")
@click.option("--host", metavar="ADDRESS", help="Address to listen on.  [XAPP_HOST]")
@click.option("--grpc-port", type=int, metavar="N", help="gRPC port; 0 takes a free one.  [XAPP_GRPC_PORT]")
@click.option("--http-port", type=int, metavar="N", help="HTTP port; 0 takes a free one.  [XAPP_HTTP_PORT]")
@click.option("--slots", type=int, metavar="N", help="Requests that run at once.  [XAPP_SLOTS]")
@click.option("--threads", type=int, metavar="N", help="Compute threads.  [XAPP_THREADS]")
@click.option(
    "--context-length", type=int, metavar="N", help="Tokens a request may have.  [XAPP_CONTEXT_LENGTH]"
)
@click.option("--log-level", metavar="LEVEL", help="debug, info, warning or error.  [XAPP_LOG_LEVEL]")
@click.option("--for-a-command", is_flag=True, hidden=True, help="As `own_server` starts it.")
@click.option("--quick-start", is_flag=True, hidden=True, help="Measures nothing before the first answer.")
def serve(*, for_a_command: bool, quick_start: bool, **options: Any) -> None:
    """Serve a model on this node: gRPC on 50051, metrics and health over HTTP on 8080.

    The process logs on stderr: for people on a terminal, else one JSON object a line. `listening`
    tells the ports; `serving` tells that the model is loaded, and from then on gRPC health says SERVING.
    SIGTERM or Ctrl-C lets the running streams finish (XAPP_GRACE_PERIOD_S) and ends with exit code 0.
    """
    try:
        settings = load_settings(os.environ, options)
        settings = own_server.for_a_command(settings) if for_a_command else settings
        settings = own_server.started_quickly(settings) if quick_start else settings
        logs.setup(settings.log.level, form=settings.log.format)
        _warn_of_unknown_keys()
        _arm_failpoints()
        sys.exit(_run(settings))
    except ConfigError as error:
        logs.flush()
        say(f"genai-xapp: {error.message}", err=True)
        sys.exit(EXIT_CONFIG)
    finally:
        logs.flush()


def _warn_of_unknown_keys() -> None:
    """Unknown variables are no error: other programs on a node may use the prefix."""
    for key, nearest in unknown_keys(os.environ).items():
        hint = f"; did you mean {nearest}?" if nearest else ""
        fields: dict[str, object] = {"event": "unknown_setting", "key": key, "nearest": nearest}
        logs.event(_log, f"{key}: no such setting{hint}", fields, level=logging.WARNING)


def _arm_failpoints() -> None:
    failpoints.arm(os.environ, "server")
    if failpoints.is_armed():
        fields: dict[str, object] = {"event": "failpoints", "points": os.environ[failpoints.KEY]}
        logs.event(_log, "this node fails on purpose", fields, level=logging.WARNING)


def _run(settings: Settings) -> int:
    from xapp.app import run  # noqa: PLC0415  the help needs none of it
    from xapp.event_loop import EventLoop  # noqa: PLC0415

    # asyncio's own loop is Python code: with one stream, a token would cost the server a sixth more.
    with asyncio.Runner(loop_factory=EventLoop) as runner:
        return runner.run(run(settings))
