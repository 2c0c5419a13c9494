"""From result files to a folder with the page, the Markdown and the pictures."""

from collections.abc import Callable, Sequence
from pathlib import Path

from perf.record.record_errors import RecordError
from perf.record.result_schema import Mode
from perf.report import (
    accuracy_section,
    balance_section,
    bars_section,
    compare_section,
    engine_section,
    figures_csv,
    html_page,
    load_section,
    markdown_page,
    overview_section,
    paper_section,
    quant_section,
    speculation_section,
    tiers_section,
)
from perf.report.document import Document, Section
from perf.report.gather_runs import Gathered, Run, gather

PAGE = "report.html"
TEXT = "report.md"
FIGURES = "figures.csv"

_SECTIONS: dict[Mode, Callable[[Sequence[Run]], Section]] = {
    Mode.PAPER: paper_section.section,
    Mode.ACCURACY: accuracy_section.section,
    Mode.LOAD: load_section.section,
    Mode.COMPARE: compare_section.section,
    Mode.ENGINE: engine_section.section,
    Mode.SERVING: bars_section.section,
    Mode.PROMISES: bars_section.section,
    Mode.POOL: bars_section.section,
    Mode.EMBEDDING: bars_section.section,
    Mode.RETRIEVAL: bars_section.section,
    Mode.SHARDS: bars_section.section,
    Mode.SPEECH: bars_section.section,
    Mode.SPECULATION: speculation_section.section,
    Mode.BIG_LITTLE: bars_section.section,
    Mode.ROUTING: bars_section.section,
    Mode.QUANT: quant_section.section,
    Mode.LENGTHS: bars_section.section,
}


def document(gathered: Gathered) -> Document:
    """Modes that nobody ran are left out. Raises RecordError for a malformed sample."""
    nodes = ", ".join(dict.fromkeys(run.result.node for run in gathered.runs))
    modes = [section(runs) for mode, section in _SECTIONS.items() if (runs := gathered.of(mode))]
    both = balance_section.section(gathered.of(Mode.PAPER), gathered.of(Mode.ACCURACY))
    tiers = tiers_section.section([*gathered.of(Mode.ENGINE), *gathered.of(Mode.LOAD)])
    last = [overview_section.provenance(gathered), overview_section.every_figure(gathered)]
    middle = [*modes, *(section for section in (both, tiers) if section is not None)]
    return Document(f"genai-xapp bench: {nodes}", [overview_section.overview(gathered), *middle, *last])


def build_text(paths: Sequence[Path], out: Path) -> tuple[Path, Sequence[str]]:
    """Writes the Markdown alone, without pictures, into the folder `out`; returns it as `build` does.

    Raises RecordError when a file cannot be read, or the folder not be written.
    """
    gathered = gather(paths)
    text = markdown_page.render(document(gathered), pictures=False)
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
    _write(document(gathered), figures_csv.render(gathered.runs), out)
    return out / PAGE, gathered.left_out


def _write(document: Document, figures: str, out: Path) -> None:
    pictures = out / markdown_page.FOLDER
    try:
        pictures.mkdir(parents=True, exist_ok=True)
        for each in document.pictures:
            (pictures / f"{each.name}.svg").write_bytes(each.svg)
        (out / TEXT).write_text(markdown_page.render(document))
        (out / PAGE).write_text(html_page.render(document))
        (out / FIGURES).write_text(figures)
    except OSError as error:
        raise _unwritten(out, error) from error


def _unwritten(out: Path, error: OSError) -> RecordError:
    return RecordError(out, f"the report could not be written: {error.strerror}")
