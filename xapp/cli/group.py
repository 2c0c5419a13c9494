"""A command with commands below it, which knows what a mistyped one may have meant."""

import click

from xapp.near import did_you_mean


class NearGroup(click.Group):
    """Names the nearest command for one that is not known."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            name = args[0] if args else ""
            text = error.message.rstrip(".") + did_you_mean(name, self.list_commands(ctx))
            raise click.UsageError(text, error.ctx) from error
