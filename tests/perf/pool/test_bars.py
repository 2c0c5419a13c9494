from perf.bar_table import Sample
from perf.pool.bars import rows


def test_figures_meet_their_bars() -> None:
    samples = [
        Sample(0, "scale.one", 2.0),
        Sample(0, "scale.pool", 7.8),
        Sample(0, "half.share", 1.2),
        Sample(0, "dead.again_s", 0.5),
    ]
    verdicts = {row.name: row.passed for row in rows(samples)}
    assert verdicts["goodput of 4 nodes ÷ 1"]
    assert verdicts["a node of half the speed: share of calls ÷ of capacity"]
    assert verdicts["the same, from above"] is False
    assert verdicts["a node that died and serves again: first new stream after"]
    assert verdicts["1.5 × capacity: goodput of 4 nodes ÷ one of 4 × speed"] is None
