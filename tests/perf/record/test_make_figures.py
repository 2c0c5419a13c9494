from perf.record.make_figures import measured, not_measured, percentiles


def test_a_mean_has_its_interval() -> None:
    figure = measured("speed", "tok/s", [1.0, 2.0, 3.0], group="m", higher_is_better=True)
    assert (figure.value, figure.group, figure.num_samples, figure.higher_is_better) == (2.0, "m", 3, True)
    assert figure.low is not None
    assert figure.low < 2.0


def test_without_samples_a_figure_says_so() -> None:
    figure = measured("speed", "tok/s", [])
    assert figure.value is None
    assert figure.note == "not measured: no sample"
    assert not_measured("power", "W", "no meter").note == "not measured: no meter"


def test_percentiles_have_names_and_intervals() -> None:
    found = list(percentiles("ttft", "s", [float(each) for each in range(1, 101)], group="rate=1"))
    assert [each.name for each in found] == ["ttft.p50", "ttft.p95", "ttft.p99"]
    assert [each.value for each in found] == [50.0, 95.0, 99.0]
    assert all(each.low is not None and each.high is not None and each.low < each.high for each in found)
    assert {each.higher_is_better for each in found} == {False}
