from pathlib import Path

from perf.bar_table import Sample
from perf.data.questions import MultipleChoice
from perf.retrieval.corpus import Place, Text, answerable, read_corpus, take_sentences
from perf.retrieval.ranking_quality import figures
from perf.retrieval.retrieval_bars import rows
from perf.retrieval.search_cost import costs_ms
from xapp.domain.documents import Passage

LONG = (
    "The near-RT RIC hosts xApps that control the network. An operator loads them at any time, it takes a "
    "while. The interface E2 connects the RIC with the base stations of the network and has their reports."
)
TEXT = Text("a.md", (Passage(LONG, "RIC", 0, len(LONG)), Passage("Too short.", "RIC", 300, 310)))


def test_a_folder_is_read_and_what_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# Title\nSome text of a page.")
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe\xfd")
    (tmp_path / "c.bin").write_bytes(b"no")
    (text,) = read_corpus([tmp_path])
    assert text.id.endswith("/a.md")
    assert text.passages[0].title == "Title"


def test_a_sentence_is_taken_out_of_its_passage() -> None:
    (without,), (asked,) = take_sentences([TEXT], 1, 10)
    assert asked.query in LONG
    assert asked.query not in without.passages[0].text
    assert len(without.passages[0].text) == len(LONG) - len(asked.query)
    assert asked.relevant == {Place("a.md", 0)}
    assert without.passages[1] == TEXT.passages[1]


def test_a_passage_that_would_have_too_little_left_stays_whole() -> None:
    sentence = "The near-RT RIC hosts xApps" + " that control the network" * 8 + "."
    whole = Text("a.md", (Passage(f"{sentence}\n\n", "RIC", 0, len(sentence)),))
    assert take_sentences([whole], 1, 10) == ([whole], [])


def choice(question: str, *choices: str) -> MultipleChoice:
    return MultipleChoice("q", 1, question, choices, 0)


def test_a_question_counts_if_a_passage_has_its_answer_and_no_wrong_one() -> None:
    e2 = choice("Which interface connects the RIC with base stations?", "interface E2", "interface A1")
    both = choice("Which interface connects the RIC with base stations?", "E2", "RIC")
    other = choice("Who replaces fans?", "interface E2", "nobody")
    assert [question for question, _ in answerable([TEXT], [e2, both, other])] == [e2]


def test_a_question_whose_answer_no_passage_can_have_does_not_count() -> None:
    negative = choice("Which interface does NOT connect the RIC with base stations?", "interface E2", "A1")
    others = choice("Which interface connects the RIC with base stations?", "Both of the above", "none")
    assert answerable([TEXT], [negative, others]) == []


def test_ranks_make_recall_and_reciprocal_ranks() -> None:
    found = dict(figures([1, 4, 0]))
    assert found["recall@1"] == [1.0, 0.0, 0.0]
    assert found["recall@5"] == [1.0, 1.0, 0.0]
    assert found["MRR@10"] == [1.0, 0.25, 0.0]


def test_the_table_has_the_bars() -> None:
    samples = [Sample(0, "cost.cpu_ms", 12.0), Sample(1, "cost.cpu_ms", 50.0), Sample(0, "crash.lost", 1.0)]
    found = {each.name: each for each in rows(samples, 20_000)}
    assert found["search of 20,000 passages, p50"].value == 31.0
    assert found["search of 20,000 passages, p50"].passed is False
    assert found["committed documents lost"].passed is False
    assert found["documents torn"].passed is None


def test_the_cost_of_a_search_is_measured() -> None:
    assert all(cost >= 0 for cost in costs_ms([TEXT], ["the interface E2"], 60, 1))
