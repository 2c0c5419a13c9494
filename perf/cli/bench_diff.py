"""`genai-xapp bench diff`: what got slower between two result files, for people and for CI."""

from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.table import Table

from perf.cli.shared_options import json_option
from perf.record.result_diff import Comparison, Diff, NotComparable, Verdict, compare
from perf.record.result_files import RecordError, read_result
from perf.report.figure_words import number

EXIT_WORSE = 1
EXIT_NOT_COMPARABLE = 2
_PLAIN_WIDTH = 140
_ORDER = list(Verdict)
_STYLES = {Verdict.WORSE: "red", Verdict.BETTER: "green"}
_QUIET = frozenset({Verdict.NOISE, Verdict.UNJUDGED})


@click.command()
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0, max=100),
    metavar="PERCENT",
    help="A change up to this counts as none. Figures without an interval are judged by it alone.",
)
@click.option("--all", "everything", is_flag=True, help="Figures within noise and not judged as well.")
@json_option
def diff(before: Path, after: Path, tolerance: float | None, everything: bool, as_json: bool) -> None:
    """Compare two result files of one mode, figure by figure.

    A figure is worse or better when the 95 % interval of the difference, widened for the number of
    figures, leaves out zero and the change is more than --tolerance.

    \b
    Exit status: 0 nothing got worse, 1 something did,
                 2 the files cannot be compared or read.
    """  # noqa: D301  click reads \b as a backspace
    try:
        found = compare(
            read_result(before), read_result(after), None if tolerance is None else tolerance / 100
        )
    except (RecordError, NotComparable) as error:
        click.echo(f"Error: {error}", err=True)
        click.get_current_context().exit(EXIT_NOT_COMPARABLE)
    if as_json:
        click.echo(msgspec.json.encode({"worse": found.is_worse, "counts": found.counts, **_plain(found)}))
    else:
        _show(found, everything)
    click.get_current_context().exit(EXIT_WORSE if found.is_worse else 0)


def _plain(found: Diff) -> dict[str, object]:
    return {"circumstances": found.circumstances, "figures": found.comparisons}


def _show(found: Diff, everything: bool) -> None:
    console = Console()
    if not console.is_terminal:
        console = Console(width=_PLAIN_WIDTH)
    for each in found.circumstances:
        console.print(f"differs: {each}", markup=False, style="dim", soft_wrap=True)
    shown = [each for each in found.comparisons if everything or each.verdict not in _QUIET]
    if shown:
        console.print(_table(shown))
    console.print(", ".join(f"{found.counts[each]} {each}" for each in _ORDER if each in found.counts))
    if Verdict.UNJUDGED in found.counts:
        console.print(
            "Not judged: no interval on both sides; --tolerance PERCENT judges those too.", style="dim"
        )


def _table(shown: list[Comparison]) -> Table:
    table = Table()
    for column in ("figure", "group", "unit", "before", "after", "change", "verdict"):
        table.add_column(column, justify="right" if column in {"before", "after", "change"} else "left")
    for each in sorted(shown, key=lambda each: _ORDER.index(each.verdict)):
        table.add_row(*_cells(each), style=_STYLES.get(each.verdict))
    return table


def _cells(each: Comparison) -> tuple[str, ...]:
    before, after = (number(value) if value is not None else "–" for value in (each.before, each.after))
    verdict = f"{each.verdict}: {each.note}" if each.note else str(each.verdict)
    return each.name, each.group, each.unit, before, after, _change(each), verdict


def _change(each: Comparison) -> str:
    if each.change is None:
        return ""
    interval = "" if each.low is None or each.high is None else f" ({each.low:+.1%} … {each.high:+.1%})"
    return f"{each.change:+.1%}{interval}"
