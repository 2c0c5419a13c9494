"""A command with commands below it, which suggests the nearest command for a mistyped one."""

import click

from xapp.near import did_you_mean


class NearGroup(click.Group):
    """Suggests the nearest command for an unknown one."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Finds a command as click does."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            name = args[0] if args else ""
            text = error.message.rstrip(".") + did_you_mean(name, self.list_commands(ctx))
            raise click.UsageError(text, error.ctx) from error
