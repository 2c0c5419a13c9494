"""The command: measures parts and prints their figures with the bars."""

import click

from perf.pool.parts import MEASURED_S, PARTS


@click.command()
@click.option("--only", default=",".join(PARTS), help=f"Some of: {', '.join(PARTS)}.")
@click.option("--seconds", default=MEASURED_S, show_default=True, help="Measured time of a part.")
def main(only: str, seconds: float) -> None:
    """Measures what a pool of nodes is worth; needs no model."""
    for part in only.split(","):
        for name, value in PARTS[part](seconds):
            click.echo(f"{name:24} {value:.3f}")
