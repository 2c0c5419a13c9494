import csv
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest

from perf.record.record_errors import RecordError
from perf.record.result_files import write_result
from perf.record.result_schema import Figure, Mode, Result, Status
from perf.report.build_report import FIGURES, PAGE, TEXT, build, document
from perf.report.document import Document, Picture, Table, Text
from perf.report.gather_runs import gather
from perf.report.load_section import level
from perf.report.paper_turns import medians
from tests.perf import results


def drawn(folder: Path, *found: Result) -> Document:
    for number, result in enumerate(found):
        write_result(folder / f"{number}.json", result)
    return document(gather([folder]))


class Page(HTMLParser):
    """What of a page would be fetched, and which elements stay open."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.open: list[str] = []
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name in {"src", "href", "data"}]
        self.scripts += tag == "script"
        if tag not in {"meta", "img"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of every mode on one node, and of one mode on another whose run is partial."""
    folder, out = tmp_path_factory.mktemp("results"), tmp_path_factory.mktemp("out") / "new"
    partial = results.paper("xeon", 3.0, status=Status.PARTIAL, missing=["the server was lost"])
    for number, result in enumerate([*results.every_mode(), partial]):
        write_result(folder / f"{number}.json", result)
    (folder / "bad.json").write_text("{")
    page, left_out = build([folder], out)
    assert page == out / PAGE
    assert len(left_out) == 1
    return out


def test_the_page_holds_all_it_shows(built: Path) -> None:
    page = Page()
    page.feed((built / PAGE).read_text())
    assert page.open == []
    assert page.scripts == 0
    assert {link.partition(",")[0] for link in page.links} == {"data:image/svg+xml;base64"} | {
        f"#s{number}" for number in range(1, 13)
    }


def test_the_page_tells_machines_versions_digests_seeds_and_what_is_missing(built: Path) -> None:
    for text in ((built / PAGE).read_text(), (built / TEXT).read_text().replace("\\", "")):
        for told in (
            "Cortex-A76",
            "llama-cpp-python 0.3.36",
            "sha256:" + "ab" * 32,
            "seeds: prompts 7",
            "the server was lost",
            "xeon (partial)",
            "bad.json: not a result file",
            "no meter on this board",
            "greedy",
            "its CPU share was 0.91",
        ):
            assert told in text


def test_markdown_links_every_picture_and_each_is_svg(built: Path) -> None:
    linked = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", (built / TEXT).read_text())
    files = [str(path.relative_to(built)) for path in (built / "pictures").iterdir()]
    assert sorted(linked) == sorted(files)
    for path in (built / "pictures").iterdir():
        assert ET.parse(path).getroot().tag == "{http://www.w3.org/2000/svg}svg"


def test_tables_of_markdown_are_even(built: Path) -> None:
    lines = (built / TEXT).read_text().splitlines()
    blocks = "\n".join(line if line.startswith("|") else "" for line in lines).split("\n\n")
    for block in (block.strip() for block in blocks if block.strip()):
        assert len({line.count("|") for line in block.splitlines()}) == 1


def test_the_same_figures_give_the_same_pictures(tmp_path: Path) -> None:
    first, second = (drawn(tmp_path, results.engine()).pictures for _ in range(2))
    assert [each.svg for each in first] == [each.svg for each in second]


def test_modes_that_nobody_ran_are_left_out(tmp_path: Path) -> None:
    found = drawn(tmp_path, results.engine())
    assert [section.title for section in found.sections] == [
        "Runs and nodes",
        "The engine",
        "Tiers, and users who share a node",
        "How it was measured",
        "Every figure",
    ]


@pytest.mark.parametrize("mode", list(Mode))
def test_a_run_that_measured_nothing_is_no_error(tmp_path: Path, mode: Mode) -> None:
    nothing = [Figure("accuracy", None, "", "m", note="not measured: lost")]
    found = drawn(tmp_path, results.result(mode, nothing, status=Status.PARTIAL, missing=["all"]))
    assert len(found.sections) == 4


def test_names_of_others_are_text(tmp_path: Path) -> None:
    hostile = "<script>$x_1^2$ | `a` ../../b"
    summary = [
        Figure("accuracy", 0.5, "", hostile, 0.4, 0.6),
        Figure("accuracy.category." + hostile, 0.5, "", hostile, 0.4, 0.6),
    ]
    write_result(
        tmp_path / "in" / "r.json",
        results.result(Mode.ACCURACY, summary, node=hostile, options={"task": hostile}),
    )
    build([tmp_path / "in"], tmp_path / "out")
    assert "<script" not in (tmp_path / "out" / PAGE).read_text()
    assert "<script" not in (tmp_path / "out" / TEXT).read_text().replace("\\<", "")
    assert all(path.parent.name == "pictures" for path in tmp_path.rglob("*.svg"))


def test_every_model_has_a_row_for_each_node(tmp_path: Path) -> None:
    found = drawn(tmp_path, results.paper(), results.paper("xeon", 3.0))
    speed = next(each for each in found.sections[1].blocks if isinstance(each, Table))
    assert [row[:2] for row in speed.rows] == [
        [model, node] for model in results.MODELS for node in ("pi-1", "xeon")
    ]
    assert speed.rows[0][2] == "310 (294 – 326)"


def test_a_run_of_rates_takes_nothing_from_the_picture_of_concurrency(tmp_path: Path) -> None:
    def of_kind(kind: str) -> Result:
        steps = [each for each in results.load().summary if each.group.startswith(kind)]
        return results.result(Mode.LOAD, steps)

    alone = drawn(tmp_path / "one", of_kind("concurrency")).pictures
    both = drawn(tmp_path / "two", of_kind("concurrency"), of_kind("rate")).pictures
    assert len(both) == 2 * len(alone)
    assert [each.svg for each in both[: len(alone)]] == [each.svg for each in alone]


def test_a_single_step_of_load_has_no_curve(tmp_path: Path) -> None:
    step = [Figure("ttft.p50", 0.1, "s", "concurrency=4"), Figure("goodput", 1.0, "1/s", "rate=1")]
    assert drawn(tmp_path, results.result(Mode.LOAD, step)).pictures == []


@pytest.mark.parametrize(
    ("group", "found"),
    [("rate=1.5", 1.5), ("concurrency=4", None), ("rate=1.5/high", None), ("rate=x", None), ("trace", None)],
)
def test_levels_of_steps(group: str, found: float | None) -> None:
    assert level(group, "rate") == found


def test_medians_follow_the_points() -> None:
    points = [(float(number), 2.0 * number) for number in range(32)]
    line = medians(points)
    assert len(line) == 8
    assert line[0] == (1.5, 3.0)
    assert all(y == 2 * x for x, y in line)
    assert medians(points[:1]) == points[:1]


def test_pictures_say_what_they_show(tmp_path: Path) -> None:
    found = drawn(tmp_path, *results.every_mode()).pictures
    assert len(found) == 19
    assert all(isinstance(each, Picture) and each.alt and each.caption.endswith(".") for each in found)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    write_result(tmp_path / "r.json", results.engine())
    (tmp_path / "file").touch()
    with pytest.raises(RecordError, match="the report could not be written"):
        build([tmp_path / "r.json"], tmp_path / "file")


def test_every_figure_is_a_line_of_the_csv_file(built: Path) -> None:
    with (built / FIGURES).open() as file:
        rows = list(csv.DictReader(file))
    expected = sum(len(each.summary) for each in [*results.every_mode(), results.paper("xeon")])
    assert len(rows) == expected
    speed = next(row for row in rows if (row["node"], row["figure"]) == ("pi-1", "decode_tokens_per_second"))
    assert (speed["mode"], speed["unit"]) == ("paper", "tok/s")
    assert float(speed["low"]) < float(speed["value"]) < float(speed["high"])


def test_accuracy_stands_against_speed_where_a_node_measured_both(tmp_path: Path) -> None:
    found = drawn(tmp_path, results.paper(), results.accuracy(), results.accuracy("xeon", "mmlu"))
    names = [each.name for each in found.pictures]
    assert "balance-winogrande" in names
    assert "balance-mmlu" not in names


def test_without_both_there_is_no_such_picture(tmp_path: Path) -> None:
    titles = [section.title for section in drawn(tmp_path, results.paper()).sections]
    assert "Accuracy, speed and memory" not in titles


def test_runs_of_several_revisions_are_said(tmp_path: Path) -> None:
    first, second = results.paper(), results.accuracy()
    other = msgspec.structs.replace(second.machine, git_revision="0123456789ab")
    found = drawn(tmp_path, first, msgspec.structs.replace(second, machine=other))
    warnings = [each.text for each in found.sections[0].blocks if isinstance(each, Text) and each.warning]
    assert [text for text in warnings if text.startswith("Several revisions: ") and "0123456789ab" in text]


def test_runs_of_one_revision_need_no_warning(tmp_path: Path) -> None:
    found = drawn(tmp_path, results.paper(), results.accuracy())
    assert not [each for each in found.sections[0].blocks if isinstance(each, Text) and each.warning]


def test_no_table_of_a_report_is_wider_than_its_page(built: Path) -> None:
    page = (built / PAGE).read_text()
    assert "nowrap" not in page
    assert "overflow-x" not in page


def test_difficulties_are_in_their_own_order(tmp_path: Path) -> None:
    asked = results.accuracy()
    overall = next(each for each in asked.summary if each.name == "accuracy")
    levels = [
        msgspec.structs.replace(overall, name=f"accuracy.category.{name}")
        for name in ("hard", "antennas", "easy", "medium")
    ]
    kept = [each for each in asked.summary if not each.name.startswith("accuracy.category.")]
    found = drawn(tmp_path, msgspec.structs.replace(asked, summary=[*kept, *levels]))
    table = next(
        block
        for section in found.sections
        for block in section.blocks
        if isinstance(block, Table) and "by category" in block.caption
    )
    assert [row[0] for row in table.rows] == ["easy", "medium", "hard", "antennas"]


def test_speculation_shows_prices_speeds_and_partings(tmp_path: Path) -> None:
    found = next(
        each for each in drawn(tmp_path, results.speculation()).sections if each.title == "Speculation"
    )
    cells = [cell for block in found.blocks if isinstance(block, Table) for row in block.rows for cell in row]
    assert {"16 rows", "rag/1/ngram", "1.2", "rag/Pi 5", "0.02"} <= set(cells)
    assert [block.name for block in found.blocks if isinstance(block, Picture)] == [
        "speculation-1-price",
        "speculation-1-predicted",
    ]
