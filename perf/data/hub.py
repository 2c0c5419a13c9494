"""The public data sets by name, from the model hub, as files of the shape that `--data` takes.

Each is fetched once into huggingface_hub's cache and written out beside it. What the hub has as
parquet only is not fetched: `--data` takes it, and the message says which rows it must have.
"""

import csv
import gzip
import io
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from perf.data.dialogues import OASST1, Message, Row
from perf.data.questions import ChoiceRow
from perf.data.read_rows import DataError

NUM_DIALOGUES = 50
MIN_MESSAGES = 5
_ROLES = {"prompter": "user", "assistant": "assistant"}


@dataclass(frozen=True, slots=True)
class Source:
    """A file of a data-set repository, and how it becomes rows."""

    repo: str
    file: str
    rows: Callable[[Path], Iterator[msgspec.Struct]]


def fetch(name: str, *, endpoint: str | None = None, cache: Path | None = None) -> Path:
    """The data set as a JSONL file. `name` is oasst1 or mmlu, or one that the hub cannot give.

    `endpoint` is another hub than HF_ENDPOINT's, `cache` another folder than huggingface_hub's own.
    Raises DataError: why not, and what to give as --data instead.
    """
    if reason := _BY_HAND.get(name):
        raise DataError(name, f"{reason}; give --data FILE")
    source = _SOURCES[name]
    raw = _download(source, endpoint, cache)
    path = raw.with_name(f"{raw.name}.{name}.jsonl")
    if not path.exists():
        _write(path, source.rows(raw))
    return path


def _download(source: Source, endpoint: str | None, cache: Path | None) -> Path:
    from huggingface_hub import hf_hub_download  # noqa: PLC0415  slow to import
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError  # noqa: PLC0415

    try:
        return Path(
            hf_hub_download(source.repo, source.file, repo_type="dataset", endpoint=endpoint, cache_dir=cache)
        )
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        where = f"{source.repo} ({source.file})"
        raise DataError(where, f"cannot be fetched from the hub: {first}; give --data FILE") from error


def _write(path: Path, rows: Iterator[msgspec.Struct]) -> None:
    lines = b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
    if not lines:
        raise DataError(str(path), "the hub's file has no row of the kind that is expected")
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(lines)
    temporary.replace(path)


def oasst1_rows(path: Path) -> Iterator[Row]:
    """The first 50 English trees with 5 messages or more, each along its longest thread.

    Of replies with equally long threads the best ranked is followed. The paper's own 50 are not known.
    """
    found = 0
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            thread = _longest(_prompt(path, number, line))
            if len(thread) >= MIN_MESSAGES:
                yield Row(thread[0]["message_id"], [_message(each) for each in thread])
                found += 1
            if found == NUM_DIALOGUES:
                return


def _prompt(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        tree = msgspec.json.decode(line, type=dict[str, Any])
        prompt: dict[str, Any] = tree["prompt"]
    except (msgspec.DecodeError, KeyError) as error:
        raise DataError(f"{path}, line {number}", f"not a message tree: {error}") from error
    return prompt if prompt.get("lang") == "en" else {}


def _longest(message: dict[str, Any]) -> list[dict[str, Any]]:
    if not message or message.get("deleted"):
        return []
    replies = sorted(message.get("replies") or [], key=_rank)
    return [message, *max(map(_longest, replies), key=len, default=[])]


def _rank(message: dict[str, Any]) -> float:
    rank = message.get("rank")
    return float("inf") if rank is None else float(rank)


def _message(message: dict[str, Any]) -> Message:
    return Message(_ROLES[message["role"]], message["text"])


def mmlu_rows(path: Path) -> Iterator[ChoiceRow]:
    """The test split: one CSV file a subject, without a head: question, four choices, letter."""
    with tarfile.open(path) as archive:
        members = [member for member in archive if member.name.endswith("_test.csv") and member.isfile()]
        for member in sorted(members, key=lambda member: member.name):
            file = archive.extractfile(member)
            assert file is not None
            subject = Path(member.name).name.removesuffix("_test.csv")
            yield from _mmlu_subject(subject, file.read().decode("utf-8"))


def _mmlu_subject(subject: str, text: str) -> Iterator[ChoiceRow]:
    for number, cells in enumerate(csv.reader(io.StringIO(text, newline=""))):
        if len(cells) != 6 or cells[5] not in set("ABCD"):
            raise DataError(
                f"mmlu, {subject}_test.csv, row {number + 1}", "not question, choices A to D, letter"
            )
        yield ChoiceRow(
            f"mmlu-{subject}-test-{number}", cells[0], cells[1:5], "ABCD".index(cells[5]), subject=subject
        )


_SOURCES = {
    "oasst1": Source(OASST1, "2023-04-12_oasst_ready.trees.jsonl.gz", oasst1_rows),
    "mmlu": Source("cais/mmlu", "data.tar", mmlu_rows),
}
_BY_HAND = {
    "winogrande": "the hub has allenai/winogrande (CC-BY) as parquet only. Its own archive has dev.jsonl; "
    'rows: {"qID", "sentence" with one _, "option1", "option2", "answer": "1" or "2"}',
    "oran_bench": "ORAN-Bench-13K (MIT) is not on the hub in a form this reads. "
    'Rows: {"id", "difficulty", "question", "choices": [4 texts], "answer": index of the right one}',
}
