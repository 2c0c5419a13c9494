"""The result files a report is made from, and what each run is called in it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from perf.record.journal import SUFFIX
from perf.record.record_errors import RecordError
from perf.record.result_files import PACKED, read_result
from perf.record.result_schema import Figure, Mode, Result, Status

MAX_FILES = 500
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Run:
    """A result; `label` is the node's name, longer where that does not tell the runs of a mode apart."""

    path: Path
    result: Result
    label: str

    def figure(self, name: str, group: str) -> Figure | None:
        """None when the run has none of that name, or could not measure it."""
        for figure in self.result.summary:
            if (figure.name, figure.group) == (name, group) and figure.value is not None:
                return figure
        return None

    def groups(self, *names: str) -> list[str]:
        """Groups that have any of these figures measured, in the file's order."""
        found = [each.group for each in self.result.summary if each.name in names and each.value is not None]
        return list(dict.fromkeys(found))

    def samples(self, kind: type[_T]) -> list[_T]:
        """Its samples of one struct, by the struct's tag. Raises RecordError for one that is malformed."""
        tag = msgspec.inspect.type_info(kind).tag  # type: ignore[attr-defined]  # of a struct, it has one
        return [
            self._sample(number, sample, kind)
            for number, sample in enumerate(self.result.samples)
            if sample["kind"] == tag
        ]

    def _sample(self, number: int, sample: dict[str, Any], kind: type[_T]) -> _T:
        try:
            return msgspec.convert(sample, kind)
        except msgspec.ValidationError as error:
            raise RecordError(self.path, f"$.samples[{number}]: {error}") from error


@dataclass(frozen=True, slots=True)
class Gathered:
    """The runs, oldest first; `left_out` says which files of a folder could not be used, and why."""

    runs: Sequence[Run]
    left_out: Sequence[str]

    def of(self, mode: Mode) -> list[Run]:
        """The runs of one mode."""
        return [run for run in self.runs if run.result.mode is mode]


def gather(paths: Sequence[Path]) -> Gathered:
    """Reads files and, below folders, every `*.json` and `*.json.xz`.

    Raises RecordError for a file named that cannot be used, for more than MAX_FILES files, and when
    nothing is left; a file found in a folder that cannot be used is left out instead.
    """
    results: dict[Path, Result] = {}
    left_out: list[str] = []
    for path, named in _files(paths):
        try:
            results[path] = read_result(path)
        except RecordError as error:
            if named:
                raise
            left_out.append(str(error))
    if not results:
        raise RecordError(paths[0], "; ".join(["no result file of genai-xapp bench there", *left_out]))
    ordered = dict(sorted(results.items(), key=lambda item: item[1].started_at))
    return Gathered(_labelled(ordered), [*left_out, *_unfinished(paths)])


def _files(paths: Sequence[Path]) -> list[tuple[Path, bool]]:
    """Each file once, and whether it was named itself."""
    found: dict[Path, bool] = {}
    for path in paths:
        if not path.is_dir():
            found[path] = True
            continue
        for file in sorted([*path.rglob("*.json"), *path.rglob(f"*.json{PACKED}")]):
            found.setdefault(file, False)
    if len(found) > MAX_FILES:
        raise RecordError(paths[0], f"{len(found)} files; a report takes at most {MAX_FILES}: name them")
    return list(found.items())


def _unfinished(paths: Sequence[Path]) -> Iterator[str]:
    for folder in (path for path in paths if path.is_dir()):
        for journal in sorted(folder.rglob(f"*.json{SUFFIX}")):
            yield f"{journal}: a run that is not finished; its command given again goes on with it"


def _labelled(results: dict[Path, Result]) -> list[Run]:
    runs = [Run(path, result, result.node) for path, result in results.items()]
    return [_told_apart(run, runs) for run in runs]


def _told_apart(run: Run, runs: Sequence[Run]) -> Run:
    """The shortest name under which no other run of the mode has a figure of the same name."""
    for label in (_node, _node_and_model):
        others = [each for each in runs if each is not run and label(each) == label(run)]
        if not any(_clash(run, other) for other in others):
            return _called(run, label(run))
    return _called(run, f"{_node(run)}, {_stem(run, runs)}")


def _called(run: Run, name: str) -> Run:
    """A partial run says so wherever it is named."""
    partial = " (partial)" if run.result.status is Status.PARTIAL else ""
    return Run(run.path, run.result, name + partial)


def _node(run: Run) -> str:
    return run.result.node


def _node_and_model(run: Run) -> str:
    return f"{run.result.node}, {', '.join(dict.fromkeys(each.model for each in run.result.targets))}"


def _stem(run: Run, runs: Sequence[Run]) -> str:
    """The file's name; with its folder's where files are called the same."""
    stem = _file_stem(run.path)
    same = [each for each in runs if _file_stem(each.path) == stem]
    return stem if len(same) == 1 else f"{run.path.parent.name}/{stem}"


def _file_stem(path: Path) -> str:
    return path.name.removesuffix(PACKED).removesuffix(".json")


def _clash(one: Run, other: Run) -> bool:
    if one.result.mode is not other.result.mode or data_of(one) != data_of(other):
        return False
    keys = [{(each.name, each.group) for each in run.result.summary} for run in (one, other)]
    return bool(keys[0] & keys[1])


def data_of(run: Run) -> str:
    """Which questions a run of bench accuracy asked, "" of other modes."""
    return str(run.result.options.get("task", ""))
