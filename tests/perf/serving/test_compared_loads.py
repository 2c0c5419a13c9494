from perf.bar_table import Sample
from perf.compare.compare_samples import Costs, SoloSample
from perf.serving.compared_loads import PARTS, asked, flat


def test_all_parts_are_all_loads() -> None:
    names = [load.name for load in asked(PARTS).loads()]
    assert names == [
        *("solo-200", "solo-1500", "decode-1", "decode-4", "decode-8"),
        *("burst-4", "burst-8", "staggered", "mixed"),
    ]


def test_a_part_is_its_loads_alone() -> None:
    assert [load.name for load in asked(("burst",)).loads()] == ["burst-4", "burst-8"]
    assert not asked(("prefix", "footprint")).loads()


def test_each_figure_is_a_sample_of_its_own() -> None:
    solo = SoloSample(
        round=2, position=0, target="ours", costs=Costs(1.0, 0.1), prompt_tokens=200,
        ttft_s=0.5, itl_p50_s=0.01, decode_tokens_per_second=100.0, num_tokens=48,
    )  # fmt: skip
    found = list(flat(iter([solo])))
    assert Sample(2, "ours.solo-200.ttft", 0.5) in found
    assert {each.key for each in found} >= {
        "ours.solo-200.itl_p50",
        "ours.solo-200.decode_tokens_per_second",
    }
