from hypothesis import given
from hypothesis import strategies as st

from xapp.text.runs import WINDOW, cut_runs

CHARS = "a1 $é日\u0301_\n"
_runs = st.tuples(st.sampled_from(CHARS), st.integers(1, 3 * WINDOW)).map(lambda run: run[0] * run[1])


@given(st.lists(_runs, max_size=6))
def test_parts_make_the_text_and_none_has_a_long_run(runs: list[str]) -> None:
    text = "".join(runs)
    parts = list(cut_runs(text))
    assert "".join(parts) == text
    assert all(
        len(part) == 0 or char * (2 * WINDOW) not in part for part in parts for char in "a1 $é日\u0301_\n"
    )


def test_a_run_that_nearly_fills_the_window_is_looked_through_once() -> None:
    text = ("é" * (WINDOW - 1) + "$") * 3
    assert list(cut_runs(text)) == [text]


def test_letters_and_their_marks_are_one_class() -> None:
    text = "e\u03011日" * WINDOW
    assert max(map(len, cut_runs(text))) <= 2 * WINDOW


def test_a_text_without_spaces_is_whole_where_it_has_punctuation() -> None:
    text = "日本語のテキスト、句読点。" * WINDOW
    assert list(cut_runs(text)) == [text]


@given(st.text("ab, 日。", max_size=5 * WINDOW))
def test_text_without_such_a_run_is_whole(text: str) -> None:
    spaced = " ,".join(text[start : start + WINDOW // 2] for start in range(0, len(text), WINDOW // 2))
    assert list(cut_runs(spaced)) == [spaced]
