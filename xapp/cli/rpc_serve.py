"""`genai-xapp rpc-serve`: this machine computes layers of a model that another node serves."""

import asyncio
import os
import sys
from typing import Any

import click

from xapp import logs
from xapp.cli.exit_codes import EXIT_CONFIG
from xapp.cli.say import say
from xapp.errors import ConfigError, FailedPrecondition


@click.command()
@click.option(
    "--host",
    default="127.0.0.1",
    envvar="XAPP_RPC_HOST",
    metavar="ADDRESS",
    help="IPv4 address of the interface to listen on.  [XAPP_RPC_HOST]",
)
@click.option(
    "--port",
    default=50052,
    envvar="XAPP_RPC_PORT",
    type=click.IntRange(0, 65535),
    metavar="N",
    help="Port; 0 takes a free one.  [XAPP_RPC_PORT]",
)
@click.option(
    "--memory-mb",
    default=0,
    envvar="XAPP_RPC_MEMORY_MB",
    type=click.IntRange(0, 1 << 24),
    metavar="N",
    help="Memory for layers; 0 takes what is free, less 256 MB.  [XAPP_RPC_MEMORY_MB]",
)
@click.option(
    "--threads",
    default=0,
    envvar="XAPP_THREADS",
    type=click.IntRange(0, 512),
    metavar="N",
    help="Compute threads; 0 takes the number of cores.  [XAPP_THREADS]",
)
@click.option(
    "--cache-dir",
    default="",
    envvar="XAPP_RPC_CACHE_DIR",
    metavar="DIR",
    help="Keep tensors of more than 10 MB here for the next load.  [XAPP_RPC_CACHE_DIR]",
)
@click.option(
    "--cache-mb",
    default=4096,
    envvar="XAPP_RPC_CACHE_MB",
    type=click.IntRange(1, 1 << 24),
    metavar="N",
    help="Most of the cache.  [XAPP_RPC_CACHE_MB]",
)
@click.option(
    "--insecure/--secure",
    default=False,
    envvar="XAPP_INSECURE",
    help="Permit an address that other machines reach.  [XAPP_INSECURE]",
)
def rpc_serve(**options: Any) -> None:
    """Compute layers of a model for a node that serves it.

    \b
      genai-xapp rpc-serve --port 50052                      a helper, on this machine alone
      XAPP_RPC_HOSTS=127.0.0.1:50052 genai-xapp serve        a node that uses it

    The protocol is llama.cpp's RPC. It has no authentication: who reaches the port can read and write the
    memory of the process. A helper works for one node at a time. Exit codes: 0 ended by a signal; 2 a setting
    is wrong or the port is in use.
    """  # noqa: D301  click reads \b as a backspace
    from xapp.helper.run import run_until_signal  # noqa: PLC0415  the help needs none of it
    from xapp.helper.settings import HelperSettings  # noqa: PLC0415

    try:
        logs.setup(
            os.environ.get("XAPP_LOG_LEVEL") or "info", form=os.environ.get("XAPP_LOG_FORMAT") or "auto"
        )
        asyncio.run(run_until_signal(HelperSettings(**options)))
    except (ConfigError, FailedPrecondition) as error:
        logs.flush()
        say(f"genai-xapp: {error.message}", err=True)
        sys.exit(EXIT_CONFIG)
    finally:
        logs.flush()
