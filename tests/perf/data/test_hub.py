import csv
import gzip
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from perf.data import hub
from perf.data.dialogues import read_dialogues
from perf.data.questions import read_choices
from perf.data.read_rows import DataError
from tests.models.hub_stand_in import StandIn, serving

OASST1 = "datasets/OpenAssistant/oasst1/2023-04-12_oasst_ready.trees.jsonl.gz"
MMLU = "datasets/cais/mmlu/data.tar"


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    with serving(StandIn()) as found:
        yield found


def message(text: str, role: str, *replies: dict[str, Any], rank: int | None = None) -> dict[str, Any]:
    return {
        "message_id": f"id-{text}",
        "text": text,
        "role": role,
        "lang": "en",
        "rank": rank,
        "replies": replies,
    }


def thread(*texts: str) -> dict[str, Any]:
    head, *rest = texts
    role = "prompter" if len(texts) % 2 else "assistant"
    return message(head, role, *([thread(*rest)] if rest else []))


def gzipped(*prompts: dict[str, Any]) -> bytes:
    return gzip.compress("".join(json.dumps({"prompt": each}) + "\n" for each in prompts).encode())


def test_english_trees_of_five_messages_are_followed_along_their_longest_thread(
    stand_in: StandIn, tmp_path: Path
) -> None:
    german = thread("1", "2", "3", "4", "5") | {"lang": "de"}
    short = thread("x", "y", "z")
    forked = message("a", "prompter", message("short", "assistant", rank=0), thread("b", "c", "d", "e"))
    stand_in.files[OASST1] = gzipped(german, short, forked)
    path = hub.fetch("oasst1", endpoint=stand_in.endpoint, cache=tmp_path)
    (found,) = read_dialogues(path)
    assert (found.id, found.questions) == ("id-a", ("a", "c", "e"))


def test_the_best_ranked_of_equally_long_threads_is_followed(tmp_path: Path) -> None:
    replies = [thread("b", "c", "d", "e") | {"rank": 1}, thread("B", "C", "D", "E") | {"rank": 0}]
    path = tmp_path / "trees.gz"
    path.write_bytes(gzipped(message("a", "prompter", *replies)))
    (found,) = hub.oasst1_rows(path)
    assert [each.text for each in found.turns] == ["a", "B", "C", "D", "E"]
    assert [each.role for each in found.turns] == ["user", "assistant", "user", "assistant", "user"]


def test_fifty_dialogues_are_enough(tmp_path: Path) -> None:
    path = tmp_path / "trees.gz"
    path.write_bytes(gzipped(*[thread(str(number), "b", "c", "d", "e") for number in range(60)]))
    assert len(list(hub.oasst1_rows(path))) == 50


def test_a_line_that_is_no_tree_is_named(tmp_path: Path) -> None:
    path = tmp_path / "trees.gz"
    path.write_bytes(gzip.compress(b'{"tree": 1}\n'))
    with pytest.raises(DataError, match="line 1: not a message tree"):
        list(hub.oasst1_rows(path))


def archive(**files: list[list[str]]) -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as tar:
        for name, rows in files.items():
            text = io.StringIO()
            csv.writer(text).writerows(rows)
            data = text.getvalue().encode()
            info = tarfile.TarInfo(f"data/test/{name}.csv")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return whole.getvalue()


def test_mmlu_is_the_test_split_by_subject(stand_in: StandIn, tmp_path: Path) -> None:
    rows = [["Two\nlines, 1?", "0", "1", "2", "3", "B"]]
    stand_in.files[MMLU] = archive(radio_test=rows, radio_dev=rows, antennas_test=rows)
    path = hub.fetch("mmlu", endpoint=stand_in.endpoint, cache=tmp_path)
    found = read_choices(path)
    assert [each.category for each in found] == ["antennas", "radio"]
    assert (found[0].question, found[0].choices, found[0].right) == (
        "Two\nlines, 1?",
        ("0", "1", "2", "3"),
        1,
    )
    assert found[0].id == "mmlu-antennas-test-0"


@pytest.mark.parametrize("row", [["Question?", "0", "1", "2", "B"], ["Question?", "0", "1", "2", "3", "AB"]])
def test_a_row_that_is_no_question_is_named(tmp_path: Path, row: list[str]) -> None:
    path = tmp_path / "data.tar"
    path.write_bytes(archive(radio_test=[row]))
    with pytest.raises(DataError, match=r"radio_test\.csv, row 1"):
        list(hub.mmlu_rows(path))


def test_a_file_of_the_hub_without_rows_is_refused(stand_in: StandIn, tmp_path: Path) -> None:
    stand_in.files[OASST1] = gzipped(thread("x", "y", "z"))
    with pytest.raises(DataError, match="no row of the kind"):
        hub.fetch("oasst1", endpoint=stand_in.endpoint, cache=tmp_path)


def test_a_hub_that_does_not_have_it_says_what_to_give(stand_in: StandIn, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"OpenAssistant/oasst1 .*give --data FILE"):
        hub.fetch("oasst1", endpoint=stand_in.endpoint, cache=tmp_path)


@pytest.mark.parametrize("name", ["winogrande", "oran_bench"])
def test_what_the_hub_cannot_give_says_which_rows_are_needed(name: str) -> None:
    with pytest.raises(DataError, match=r'(?i)rows: \{"q?id".*give --data FILE'):
        hub.fetch(name)
