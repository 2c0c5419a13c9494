"""Packs result files for the repository: python -m scripts.pack_results FILE... --to FOLDER [--figures-only].

Each FILE becomes FOLDER/NAME.json.xz; a file of `bench serving` or `bench promises` gets its table as
NAME.md beside it. `--figures-only` leaves out the samples, and a note says so. Files of the schema
genai-xapp-perf/2, which these two modes once wrote, are converted; their mode is how their name begins.
"""

import json
from pathlib import Path
from typing import Any

import click
import msgspec

from perf import bar_table
from perf.bar_table import Sample
from perf.engine_config import EngineConfig
from perf.record.result_files import PACKED, RecordError, read_result, write_result, write_text
from perf.record.result_schema import Figure, Mode, Result, Status
from perf.record.sample_rows import encode
from perf.targets.measured import targets_of

_OLD = "genai-xapp-perf/2"
_BAR_MODES = (Mode.SERVING, Mode.PROMISES)


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--to", "folder", required=True, type=click.Path(path_type=Path, file_okay=False))
@click.option("--figures-only", is_flag=True, help="Leave out the samples.")
def main(files: tuple[Path, ...], folder: Path, *, figures_only: bool) -> None:
    """See the module."""
    try:
        for file in files:
            _pack(file, folder, figures_only=figures_only)
    except RecordError as error:
        raise click.ClickException(str(error)) from error


def _pack(file: Path, folder: Path, *, figures_only: bool) -> None:
    result = read_any(file)
    name = file.name.removesuffix(PACKED).removesuffix(".json")
    if figures_only and result.samples:
        note = f"{len(result.samples)} samples are left out of this file"
        result = msgspec.structs.replace(result, samples=[], notes=[*result.notes, note])
    packed = folder / f"{name}.json{PACKED}"
    write_result(packed, result)
    if result.mode in _BAR_MODES:
        write_text(folder / f"{name}.md", bar_table.markdown(result))
    click.echo(f"{packed}: {packed.stat().st_size} bytes")


def read_any(file: Path) -> Result:
    """A result file of today's schema or of the old one. Raises RecordError."""
    if file.suffix == ".json":
        old = json.loads(file.read_bytes())
        if old.get("schema") == _OLD:
            return _converted(file, old)
    return read_result(file)


def _converted(file: Path, old: dict[str, Any]) -> Result:
    config = old["shape"] and msgspec.convert(old["shape"], EngineConfig)
    return msgspec.convert(
        {
            "mode": next(mode for mode in _BAR_MODES if file.name.startswith(mode)),
            "node": "unknown",
            "machine": old["machine"],
            "targets": msgspec.to_builtins(
                targets_of(old["model"], old["model_digest"], config, old["llama_server_flags"])
            ),
            "options": {"model": old["model"], "rounds": old["rounds"]},
            "seeds": {},
            "started_at": old["machine"]["started_at"],
            "duration_s": 0.0,
            "status": Status.PARTIAL if old["missing"] else Status.COMPLETE,
            "summary": [msgspec.to_builtins(_figure(row)) for row in old["rows"]],
            "samples": [
                encode(msgspec.convert({"kind": "bar-sample", **each}, Sample)) for each in old["samples"]
            ],
            "missing": old["missing"],
            "noise": old["noise"],
            "notes": [f"converted from {_OLD}, which does not tell the node and how long the run took"],
        },
        Result,
    )


def _figure(row: dict[str, Any]) -> Figure:
    found, interval = row["summary"] or {}, row["interval"] or {}
    return Figure(
        row["what"],
        found.get("median"),
        row["unit"],
        low=interval.get("low"),
        high=interval.get("high"),
        num_samples=found.get("count", 0),
        higher_is_better=None if row["bar"] is None else not row["at_most"],
        note=row["note"],
        bar=row["bar"],
        minimum=found.get("minimum"),
        maximum=found.get("maximum"),
    )


if __name__ == "__main__":
    main()
