"""What was measured, on what: the first and the last section of a report."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from perf.machine import Machine
from perf.record.result_schema import Result, Status, Target
from perf.report import figure_words
from perf.report.document import Block, Items, Section, Table, Text
from perf.report.gather_runs import Gathered, Run

# What decides the speed of llama.cpp's kernels.
_TOLD_FLAGS = ("avx", "fma", "f16c", "amx", "asimd", "sve", "i8mm", "dotprod", "bf16")
_STEAL_WARNED = 0.05


def overview(gathered: Gathered) -> Section:
    """Runs and nodes, and above all what is missing."""
    return Section(
        "Runs and nodes",
        [*_warnings(gathered), _runs(gathered.runs), _nodes(gathered.runs), _servers(gathered.runs)],
    )


def _warnings(gathered: Gathered) -> Iterator[Block]:
    for run in gathered.runs:
        if run.result.status is Status.PARTIAL:
            missing = "; ".join(run.result.missing)
            yield Text(f"Partial: {_name(run)}. Missing: {missing}", warning=True)
        if (steal := max((each.steal_share for each in run.result.noise), default=0.0)) > _STEAL_WARNED:
            yield Text(f"Disturbed: {_name(run)}. Up to {steal:.0%} of CPU time was stolen.", warning=True)
    revisions = dict.fromkeys(run.result.machine.git_revision for run in gathered.runs)
    if len(revisions) > 1:
        told = ", ".join(each or "unknown" for each in revisions)
        yield Text(f"Several revisions: {told}. Compare figures of one revision only.", warning=True)
    if gathered.left_out:
        yield Text("Files that are left out:", warning=True)
        yield Items(gathered.left_out)


def _name(run: Run) -> str:
    return f"bench {run.result.mode} on {run.label} ({run.path.name})"


def _runs(runs: Sequence[Run]) -> Table:
    columns = ["mode", "node", "started", "took", "status", "load", "stolen", "revision", "file"]
    rows = [
        [
            run.result.mode,
            run.label,
            run.result.started_at,
            figure_words.duration(run.result.duration_s),
            run.result.status,
            *_noise(run.result),
            run.result.machine.git_revision,
            run.path.name,
        ]
        for run in runs
    ]
    return Table("Runs; load and stolen CPU time are the worst of a run", columns, rows, num_words=9)


def _noise(result: Result) -> tuple[str, str]:
    if not result.noise:
        return figure_words.NONE, figure_words.NONE
    load = max(each.load_1m for each in result.noise)
    return f"{load:.1f}", f"{max(each.steal_share for each in result.noise):.1%}"


def _nodes(runs: Sequence[Run]) -> Table:
    rows = list(dict.fromkeys(_node(run) for run in runs))
    columns = ["node", "CPU", "cores", "memory", "CPU flags", "kernel", "software"]
    return Table("Nodes", columns, rows, num_words=7)


def _node(run: Run) -> tuple[str, ...]:
    machine = run.result.machine
    return (
        run.result.node,
        machine.cpu,
        str(machine.cores),
        f"{machine.memory_bytes / 1024**3:.1f} GiB",
        _flags(machine),
        machine.kernel,
        f"Python {machine.python}, llama-cpp-python {machine.llama_cpp_python}, grpcio {machine.grpcio}",
    )


def _flags(machine: Machine) -> str:
    return " ".join(flag for flag in machine.cpu_flags if flag.startswith(_TOLD_FLAGS)) or figure_words.NONE


def _servers(runs: Sequence[Run]) -> Table:
    rows = list(dict.fromkeys(_server(target) for run in runs for target in run.result.targets))
    columns = ["server", "software", "model", "digest", "context"]
    return Table("Servers and models", columns, rows, num_words=5)


def _server(target: Target) -> tuple[str, ...]:
    return (
        target.name,
        target.server or figure_words.NONE,
        Path(target.model).name,  # a server that was given a path tells that
        _short(target.model_digest),
        _context(target),
    )


def _short(digest: str) -> str:
    """Enough to see that two differ; the whole is where it is told how a run was made."""
    kind, _, digits = digest.rpartition(":")
    return f"{kind}:{digits[:12]}…" if len(digits) > 12 else digest or figure_words.NONE


def _context(target: Target) -> str:
    if (config := target.engine_config) is None:
        return " ".join(target.flags) or figure_words.NONE
    flash = "flash attention" if config.flash_attention else "no flash attention"
    return (
        f"{config.num_slots} slots, {config.kv_cells} KV cells of {config.kv_type}, {flash}, "
        f"{config.num_threads} threads, {config.batch_tokens} tokens a batch"
    )


def provenance(gathered: Gathered) -> Section:
    """How each run was made: options, seeds, notes of its mode."""
    return Section("How it was measured", [block for run in gathered.runs for block in _made(run)])


def _made(run: Run) -> Iterator[Block]:
    yield Text(f"{_name(run)}, {len(run.result.samples)} samples:")
    yield Items(
        [
            f"options: {_told(run.result.options)}",
            f"seeds: {_told(run.result.seeds)}",
            *(f"model {each.model} of {each.name}: {each.model_digest}" for each in _digested(run.result)),
            f"schema: {run.result.schema}",
            *run.result.notes,
        ]
    )


def _digested(result: Result) -> list[Target]:
    return [target for target in result.targets if target.model_digest]


def _told(values: dict[str, Any]) -> str:
    return ", ".join(f"{key} {_value(value)}" for key, value in values.items()) or "none"


def _value(value: Any) -> str:
    if value is None or value == "":
        return "unset"
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def every_figure(gathered: Gathered) -> Section:
    """All summary figures, for what no table or picture above has."""
    columns = ["figure", "group", "value", "95 % interval", "samples", "note"]
    tables = [
        Table(_name(run), columns, [_figure_row(run, n) for n in range(len(run.result.summary))], 2, True)
        for run in gathered.runs
    ]
    return Section("Every figure", tables)


def _figure_row(run: Run, number: int) -> list[str]:
    figure = run.result.summary[number]
    interval = ""
    if figure.low is not None and figure.high is not None:
        interval = f"{figure_words.number(figure.low)} – {figure_words.number(figure.high)}"
    value = (
        figure_words.NONE
        if figure.value is None
        else f"{figure_words.number(figure.value)} {figure.unit}".rstrip()
    )
    return [figure.name, figure.group, value, interval, str(figure.num_samples or ""), figure.note]
