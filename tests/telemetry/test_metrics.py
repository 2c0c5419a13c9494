from xapp.domain.states import DurationHistogram
from xapp.telemetry.metrics import COUNTERS, GAUGES, HISTOGRAMS, Metrics, NodeValues


def test_every_declared_reading_is_shown() -> None:
    values = {name: float(index) for index, name in enumerate((*GAUGES, *COUNTERS), start=1)}
    text = Metrics().exposition(NodeValues(ready=False, models={"m": values})).decode()
    assert "ricxapp_genai_ready 0.0" in text
    for name in GAUGES:
        assert f'ricxapp_genai_{name}{{model="m"}} {values[name]}' in text
    for name in COUNTERS:
        assert f'ricxapp_genai_{name}_total{{model="m"}} {values[name]}' in text


def test_histograms_are_shown_as_prometheus_counts() -> None:
    seen = DurationHistogram((0.5, 1.0), (2, 3, 1), 4.5)
    values = NodeValues(True, {}, histograms={"m": dict.fromkeys(HISTOGRAMS, seen)})
    text = Metrics().exposition(values).decode()
    for name in HISTOGRAMS:
        full = f"ricxapp_genai_{name}"
        assert f"# TYPE {full} histogram" in text
        for bound, count in (("0.5", 2.0), ("1.0", 5.0), ("+Inf", 6.0)):
            assert f'{full}_bucket{{le="{bound}",model="m"}} {count}' in text
        assert f'{full}_count{{model="m"}} 6.0' in text
        assert f'{full}_sum{{model="m"}} 4.5' in text


def test_build_info_tells_the_version() -> None:
    assert "ricxapp_genai_build_info{version=" in Metrics().exposition(NodeValues(True, {})).decode()
