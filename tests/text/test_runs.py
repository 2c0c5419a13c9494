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


@given(st.text("ab, 日。", max_size=5 * WINDOW))
def test_text_without_such_a_run_is_whole(text: str) -> None:
    spaced = " ,".join(text[start : start + WINDOW // 2] for start in range(0, len(text), WINDOW // 2))
    assert list(cut_runs(spaced)) == [spaced]
