"""Quotas: what is read, what is counted, and that a client's names cost no memory."""

from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.harness import Clock
from xapp.admission.quota import MAX_CLIENTS, Quota, Quotas, parse_quotas
from xapp.errors import ConfigError, Exhausted


def refused(quotas: Quotas, client: str = "") -> Exhausted:
    with pytest.raises(Exhausted) as caught, quotas.hold(client):
        raise AssertionError
    assert caught.value.reason == "QUOTA_EXCEEDED"
    return caught.value


def test_requests_a_second() -> None:
    clock = Clock()
    quotas = Quotas({"default": Quota(requests_per_s=2, burst_s=1)}, clock)
    for _ in range(2):
        with quotas.hold("a"):
            pass
    assert refused(quotas, "a").retry_after_s == pytest.approx(0.5)
    clock.now += 0.5
    with quotas.hold("a"):
        pass
    assert "'a'" in refused(quotas, "a").message


def test_tokens_a_second_may_be_overdrawn_and_what_was_not_used_comes_back() -> None:
    clock = Clock()
    quotas = Quotas({"default": Quota(tokens_per_s=10, burst_s=1)}, clock)
    with quotas.hold("a") as charge:
        charge.set(30)
        assert refused(quotas, "a").retry_after_s == pytest.approx(2.1)
        charge.set(25)
        assert refused(quotas, "a").retry_after_s == pytest.approx(1.6)
    clock.now += 1.7
    with quotas.hold("a"):
        pass


def test_requests_at_once() -> None:
    quotas = Quotas({"default": Quota(concurrent=1)}, Clock())
    with quotas.hold("a"):
        refused(quotas, "a")
        with quotas.hold("b"):
            pass
    with quotas.hold("a"):
        pass


def test_the_unknown_have_the_default_each_for_itself_and_none_without_one() -> None:
    quotas = Quotas({"default": Quota(concurrent=1), "big": Quota(concurrent=2)}, Clock())
    with quotas.hold("x"), quotas.hold("y"), quotas.hold("big"), quotas.hold("big"), quotas.hold(""):
        for client in ("x", "y", "big", ""):
            refused(quotas, client)
    free = Quotas({"big": Quota(concurrent=2)}, Clock())
    with ExitStack() as stack:
        for _ in range(50):
            stack.enter_context(free.hold("x"))


def test_checking_takes_nothing() -> None:
    quotas = Quotas({"default": Quota(requests_per_s=1, burst_s=1)}, Clock())
    for _ in range(3):
        quotas.check("a")
    with quotas.hold("a"):
        pass
    with pytest.raises(Exhausted):
        quotas.check("a")


def test_clients_are_forgotten_but_not_those_with_something_open() -> None:
    quotas = Quotas({"default": Quota(concurrent=1)}, Clock())
    with quotas.hold("first"):
        for number in range(3 * MAX_CLIENTS):
            with quotas.hold(f"client {number}"):
                pass
        assert quotas.num_clients == MAX_CLIENTS
        refused(quotas, "first")


@given(st.lists(st.floats(-100, 100), max_size=40))
def test_a_clock_that_steps_backwards_neither_fills_nor_empties(steps: list[float]) -> None:
    clock = Clock()
    quotas = Quotas({"default": Quota(requests_per_s=1, burst_s=3)}, clock)
    let_in, forward = 0, 0.0
    for step in steps:
        clock.now += step
        forward += max(0.0, step)
        with suppress(Exhausted), quotas.hold("a"):
            let_in += 1
    assert let_in <= 3 + forward + 1e-6


def test_settings_as_json_and_as_a_file(tmp_path: Path) -> None:
    wanted = {"default": Quota(concurrent=8), "a": Quota(requests_per_s=2, tokens_per_s=200, burst_s=5)}
    text = '{"default": {"concurrent": 8}, "a": {"requests_per_s": 2, "tokens_per_s": 200, "burst_s": 5}}'
    assert parse_quotas(text) == wanted
    file = tmp_path / "quotas.toml"
    file.write_text(
        "[default]\nconcurrent = 8\n[a]\nrequests_per_s = 2\ntokens_per_s = 200.0\nburst_s = 5.0\n"
    )
    assert parse_quotas(str(file)) == wanted
    assert parse_quotas("") == {}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('{"a": {"concurrent": 0}}', "concurrent"),
        ('{"a": {"requests_per_s": -1}}', "requests_per_s"),
        ('{"a": {"rps": 1}}', "rps"),
        ('{"a": 3}', "int"),
        ("{", "JSON"),
        ("/no/such/file", "cannot read"),
    ],
)
def test_a_bad_setting_names_its_key_and_what_is_wrong(text: str, names: str) -> None:
    with pytest.raises(ConfigError, match="XAPP_QUOTAS") as caught:
        parse_quotas(text)
    assert names in caught.value.message


def test_a_file_that_is_not_toml(tmp_path: Path) -> None:
    file = tmp_path / "quotas.toml"
    file.write_text("[default\n")
    with pytest.raises(ConfigError, match="not TOML"):
        parse_quotas(str(file))
