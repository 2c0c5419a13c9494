"""The search brackets, bisects and ends."""

from hypothesis import given
from hypothesis import strategies as st

from perf.load.highest_rate import Found, Verdict, highest_rate
from tests.perf.virtual import run


def search(limit: float, start: float = 1.0, precision: float = 0.1) -> tuple[Found, list[float]]:
    asked: list[float] = []

    async def probe(rate: float) -> Verdict:
        asked.append(rate)
        return Verdict.KEPT if rate <= limit else Verdict.MISSED

    return run(highest_rate(probe, start=start, precision=precision)), asked


@given(limit=st.floats(0.1, 100), start=st.floats(0.2, 50), precision=st.floats(0.01, 1))
def test_the_limit_lies_between_what_kept_and_what_missed(
    limit: float, start: float, precision: float
) -> None:
    found, asked = search(limit, start, precision)
    assert found.kept is not None
    assert found.missed is not None
    assert found.kept <= limit < found.missed
    assert found.missed <= found.kept * (1 + precision) * 1.001
    assert len(asked) == len(set(asked)) == found.num_probes < 30


def test_the_same_answers_give_the_same_questions() -> None:
    assert search(7.3)[1] == search(7.3)[1]


def test_a_target_that_keeps_nothing_ends_the_search() -> None:
    found, asked = search(0.0)
    assert found.kept is None
    assert len(asked) == 11


def test_a_target_that_keeps_everything_ends_the_search() -> None:
    found, _ = search(1e9)
    assert found.missed is None
    assert found.kept == 1024.0


def test_a_limit_missed_by_requests_that_never_met_ends_the_search() -> None:
    async def probe(rate: float) -> Verdict:
        return Verdict.HOPELESS if rate < 1 else Verdict.MISSED

    found = run(highest_rate(probe, start=4.0))
    assert found == Found(None, 0.5, 4)
