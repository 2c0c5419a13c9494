"""`genai-xapp bench report`: tables and pictures from result files."""

from pathlib import Path

import click

from perf.record.result_files import RecordError
from perf.report.build_report import FIGURES, TEXT, build, build_text


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("report"),
    show_default=True,
    help="Folder for the report.",
)
@click.option("--text", is_flag=True, help="The Markdown alone, without pictures.")
def report(paths: tuple[Path, ...], out: Path, *, text: bool) -> None:
    """One page from result files of one or several nodes: tables, and pictures in it.

    A PATH is a result file, .json or .json.xz, or a folder that is searched for them. Files in a folder
    that cannot be used are named and left out; a file given by name must be sound. Beside the page lie
    the same as Markdown, the pictures as SVG files, and every figure as CSV.
    """
    try:
        page, left_out = build_text(paths, out) if text else build(paths, out)
    except RecordError as error:
        raise click.ClickException(str(error)) from error
    for each in left_out:
        click.echo(f"left out: {each}", err=True)
    click.echo(f"written: {page}" if text else f"written: {page}, with {TEXT} and {FIGURES} beside it")
