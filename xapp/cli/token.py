"""`genai-xapp token`: makes a bearer token for a caller of a node."""

import json

import click

from xapp.cli.say import say
from xapp.security.tokens import MAX_NAME_CHARS, hash_of, is_name, new_token


@click.command()
@click.argument("name")
def token(name: str) -> None:
    """Make a bearer token for the principal NAME.

    \b
      genai-xapp token cell-planner

    The token goes to standard output, for its owner alone. The line for the file that XAPP_TOKENS_FILE
    names goes to standard error: it has a hash, from which nobody finds the token.
    """  # noqa: D301  click reads \b as a backspace
    if not is_name(name):
        most = f"must be 1 to {MAX_NAME_CHARS} printable ASCII characters"
        raise click.BadParameter(most, param_hint="NAME")
    made = new_token()
    # A text of JSON is a text of TOML too.
    say(f'{json.dumps(name)} = ["{hash_of(made)}"]', err=True)
    say(made)
