from xapp.telemetry.metrics import COUNTERS, GAUGES, Metrics, NodeReading


def test_observer_calls_are_counted() -> None:
    metrics = Metrics()
    metrics.on_first_token("m", 0.2)
    metrics.on_tokens("m", [0.01, 0.03])
    metrics.on_finished("m", "stop", None)
    read = metrics.registry.get_sample_value
    assert read("ricxapp_genai_time_to_first_token_seconds_sum", {"model": "m"}) == 0.2
    assert read("ricxapp_genai_inter_token_latency_seconds_count", {"model": "m"}) == 2
    assert read("ricxapp_genai_outcomes_total", {"model": "m", "outcome": "stop"}) == 1


def test_every_declared_reading_is_shown() -> None:
    values = {name: float(index) for index, name in enumerate((*GAUGES, *COUNTERS), start=1)}
    text = Metrics().exposition(NodeReading(ready=False, models={"m": values})).decode()
    assert "ricxapp_genai_ready 0.0" in text
    for name in GAUGES:
        assert f'ricxapp_genai_{name}{{model="m"}} {values[name]}' in text
    for name in COUNTERS:
        assert f'ricxapp_genai_{name}_total{{model="m"}} {values[name]}' in text


def test_build_info_tells_the_version() -> None:
    assert "ricxapp_genai_build_info{version=" in Metrics().exposition(NodeReading(True, {})).decode()
