"""From result files to a folder with the page, the Markdown and the pictures."""

from collections.abc import Callable, Sequence
from pathlib import Path

from perf.record.errors import RecordError
from perf.record.schema import Mode
from perf.report import (
    accuracy,
    balance,
    bars_section,
    compare,
    engine,
    html,
    load,
    markdown,
    overview,
    paper,
    table_file,
)
from perf.report.document import Document, Section
from perf.report.runs import Gathered, Run, gather

PAGE = "report.html"
TEXT = "report.md"
FIGURES = "figures.csv"

_SECTIONS: dict[Mode, Callable[[Sequence[Run]], Section]] = {
    Mode.PAPER: paper.section,
    Mode.ACCURACY: accuracy.section,
    Mode.LOAD: load.section,
    Mode.COMPARE: compare.section,
    Mode.ENGINE: engine.section,
    Mode.SERVING: bars_section.section,
    Mode.PROMISES: bars_section.section,
}


def document(gathered: Gathered) -> Document:
    """Modes that nobody ran are left out. Raises RecordError for a malformed sample."""
    nodes = ", ".join(dict.fromkeys(run.result.node for run in gathered.runs))
    modes = [section(runs) for mode, section in _SECTIONS.items() if (runs := gathered.of(mode))]
    both = balance.section(gathered.of(Mode.PAPER), gathered.of(Mode.ACCURACY))
    last = [overview.provenance(gathered), overview.every_figure(gathered)]
    middle = modes if both is None else [*modes, both]
    return Document(f"genai-xapp bench: {nodes}", [overview.overview(gathered), *middle, *last])


def build_text(paths: Sequence[Path], out: Path) -> tuple[Path, Sequence[str]]:
    """Writes the Markdown alone, without pictures, into the folder `out`; returns it as `build` does.

    Raises RecordError when a file cannot be read, or the folder not be written.
    """
    gathered = gather(paths)
    text = markdown.render(document(gathered), pictures=False)
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / TEXT).write_text(text)
    except OSError as error:
        raise _unwritten(out, error) from error
    return out / TEXT, gathered.left_out


def build(paths: Sequence[Path], out: Path) -> tuple[Path, Sequence[str]]:
    """Writes the report into the folder `out`; returns its page and which files were left out.

    Raises RecordError when a file cannot be read, or the folder not be written.
    """
    gathered = gather(paths)
    _write(document(gathered), table_file.render(gathered.runs), out)
    return out / PAGE, gathered.left_out


def _write(document: Document, figures: str, out: Path) -> None:
    pictures = out / markdown.FOLDER
    try:
        pictures.mkdir(parents=True, exist_ok=True)
        for each in document.pictures:
            (pictures / f"{each.name}.svg").write_bytes(each.svg)
        (out / TEXT).write_text(markdown.render(document))
        (out / PAGE).write_text(html.render(document))
        (out / FIGURES).write_text(figures)
    except OSError as error:
        raise _unwritten(out, error) from error


def _unwritten(out: Path, error: OSError) -> RecordError:
    return RecordError(out, f"the report could not be written: {error.strerror}")
