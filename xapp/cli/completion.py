"""`genai-xapp completion`: what makes a shell complete commands and options."""

import click
from click.shell_completion import get_completion_class

from xapp.cli.say import say

_PROGRAM = "genai-xapp"
_VARIABLE = "_GENAI_XAPP_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print a script that makes SHELL complete commands and options.

    \b
      genai-xapp completion bash > ~/.local/share/bash-completion/completions/genai-xapp
      genai-xapp completion zsh  > "${fpath[1]}/_genai-xapp"
      genai-xapp completion fish > ~/.config/fish/completions/genai-xapp.fish
    """  # noqa: D301  click reads \b as a backspace
    made = get_completion_class(shell)
    assert made is not None
    say(made(ctx.find_root().command, {}, _PROGRAM, _VARIABLE).source())
