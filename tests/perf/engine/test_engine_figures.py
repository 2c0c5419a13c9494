import pytest

from perf.engine.engine_figures import best_bandwidth, bytes_per_step, summary
from perf.engine.engine_samples import BandwidthSample, BytesSample, Sample, StepsSample
from perf.record.result_schema import Figure

BYTES = BytesSample(weight_bytes=1000, row_bytes=10, kv_cell_bytes=2, tied_output=False)


def steps(round_: int, contender: str, rate: float, step_s: float) -> StepsSample:
    return StepsSample(round_, contender, 2, rate, step_s, step_s, step_s, 10, 90.0)


def reading(round_: int, loop: str, rate: float) -> BandwidthSample:
    return BandwidthSample(round_, loop, 2, 1 << 28, 1 << 25, rate)


SAMPLES: list[Sample] = [
    BYTES,
    *(steps(0, "bare", 20.0, 0.1), steps(1, "bare", 40.0, 0.05)),
    *(steps(0, "worker", 19.0, 0.102), steps(1, "worker", 38.0, 0.052)),
    *(reading(0, "memchr", 90_000.0), reading(0, "dot", 100_000.0), reading(1, "memchr", 100_000.0)),
]


def found(figures: list[Figure], name: str, group: str) -> Figure:
    (figure,) = [each for each in figures if (each.name, each.group) == (name, group)]
    return figure


def test_overhead_is_of_paired_rounds() -> None:
    figures = summary(SAMPLES)
    assert found(figures, "overhead_ratio", "worker/2").value == pytest.approx(0.95)
    assert found(figures, "overhead_seconds", "worker/2").value == pytest.approx(0.002)
    assert not [each for each in figures if (each.name, each.group) == ("overhead_ratio", "bare/2")]


def test_a_step_reads_weights_rows_and_cells() -> None:
    assert bytes_per_step(BYTES, steps(0, "bare", 20.0, 0.1)) == 1000 + 2 * 10 + 90 * 2


def test_the_share_of_the_bandwidth() -> None:
    figures = summary(SAMPLES)
    assert found(figures, "memory_bandwidth", "2 threads").value == 100_000
    share = found(figures, "bandwidth_share", "bare/2").value
    assert share == pytest.approx((20 + 40) / 2 / 2 * 1200 / 100_000)
    assert found(figures, "bytes_per_token", "2").value == 600


def test_the_faster_loop_counts() -> None:
    assert best_bandwidth([reading(0, "memchr", 2.0), reading(0, "dot", 3.0)]) == {0: 3.0}


def test_without_a_reading_there_is_no_share() -> None:
    figures = summary([each for each in SAMPLES if not isinstance(each, BandwidthSample)])
    assert found(figures, "bandwidth_share", "").value is None
