"""Policies: whom each holds to what, and that a policy which stays the same forgets nothing."""

from contextlib import ExitStack

import msgspec
import pytest

from tests.engine.harness import Clock
from xapp.admission.policing import PolicedQuotas, ServingPolicies
from xapp.admission.quota import Quota, Quotas
from xapp.config import AdmissionSettings
from xapp.domain.messages import Priority
from xapp.domain.serving_policy import Scope, ServingPolicy, Statement
from xapp.errors import Exhausted, PermissionDenied


def limits(max_output_tokens: int, default_deadline_s: float, max_deadline_s: float) -> AdmissionSettings:
    return AdmissionSettings(
        max_output_tokens=max_output_tokens,
        default_deadline_s=default_deadline_s,
        max_deadline_s=max_deadline_s,
    )


LIMITS = limits(100, 60, 600)


def policy(client: str = "*", model: str = "*", **said: object) -> ServingPolicy:
    return ServingPolicy(msgspec.convert(said, Statement), Scope(client, model))


def policies(clock: Clock | None = None, **each: ServingPolicy) -> ServingPolicies:
    made = ServingPolicies(clock or Clock())
    made.replace(each)
    return made


def denied(made: ServingPolicies, client: str, model: str, priority: Priority = Priority.BATCH) -> str:
    with pytest.raises(PermissionDenied) as caught:
        made.check(client, model, priority)
    assert caught.value.metadata["policy"] in caught.value.message
    return caught.value.reason


def test_models() -> None:
    made = policies(p=policy("planner", allowed_models=["small-*", "tiny"]))
    made.check("planner", "small-2", Priority.BATCH)
    made.check("planner", "tiny", Priority.BATCH)
    made.check("other", "big", Priority.BATCH)
    assert denied(made, "planner", "big") == "MODEL_NOT_ALLOWED"


def test_classes() -> None:
    made = policies(p=policy(max_priority="INTERACTIVE"))
    made.check("a", "m", Priority.INTERACTIVE)
    made.check("a", "m", Priority.BATCH)
    assert denied(made, "a", "m", Priority.CRITICAL) == "PRIORITY_NOT_ALLOWED"


def test_a_policy_is_about_its_scope_only() -> None:
    made = policies(p=policy("cell-*", "big", max_output_tokens=7))
    assert made.narrow(LIMITS, "cell-1", "big").max_output_tokens == 7
    assert made.narrow(LIMITS, "cell-1", "small") == LIMITS
    assert made.narrow(LIMITS, "rapp", "big") == LIMITS


def test_the_tightest_of_several_decides() -> None:
    made = policies(
        a=policy(max_output_tokens=50, max_deadline_s=30),
        b=policy("x", max_output_tokens=20, default_deadline_s=45),
    )
    assert made.narrow(LIMITS, "x", "m") == limits(20, 30, 30)
    assert made.narrow(LIMITS, "y", "m") == limits(50, 30, 30)


def test_no_policy_widens_what_the_node_allows() -> None:
    made = policies(p=policy(max_output_tokens=5000, max_deadline_s=5000, default_deadline_s=5000))
    assert made.narrow(LIMITS, "x", "m") == limits(100, 600, 600)


def test_what_is_only_observed_holds_nobody_back() -> None:
    made = policies(p=policy(allowed_models=["none"], max_output_tokens=1, max_rps=0.001, enforce=False))
    made.check("a", "m", Priority.CRITICAL)
    assert made.narrow(LIMITS, "a", "m") == LIMITS
    for _ in range(3):
        with made.hold("a", "m"):
            pass


def test_rates_hold_for_each_client_by_itself() -> None:
    clock = Clock()
    made = policies(clock, p=policy(max_rps=0.1))
    for client in ("a", "b"):
        with made.hold(client, "m"):
            pass
        with pytest.raises(Exhausted) as caught, made.hold(client, "m"):
            raise AssertionError
        assert caught.value.reason == "QUOTA_EXCEEDED"
        assert caught.value.metadata == {"client": client, "policy": "p"}
        assert caught.value.retry_after_s == pytest.approx(10)
    clock.now += 10
    with made.hold("a", "m"):
        pass


def test_a_policy_that_stays_remembers_what_was_used_and_another_one_does_not() -> None:
    made = policies(p=policy(max_rps=0.1))
    with made.hold("a", "m"):
        pass
    made.replace({"p": policy(max_rps=0.1), "q": policy(max_output_tokens=3)})
    with pytest.raises(Exhausted):
        made.check_quotas("a", "m")
    made.replace({"p": policy(max_rps=0.2)})
    made.check_quotas("a", "m")
    made.replace({})
    assert made.narrow(LIMITS, "a", "m") == LIMITS


def test_who_is_refused_by_one_quota_is_counted_by_none() -> None:
    clock = Clock()
    made = policies(clock, p=policy(max_concurrent=1), q=policy(max_rps=0.1))
    quotas = PolicedQuotas(Quotas({"default": Quota(concurrent=3)}, clock), made, "m")
    with quotas.hold("a"):
        clock.now += 10
        for _ in range(5):
            with pytest.raises(Exhausted, match="1 requests open"), quotas.hold("a"):
                raise AssertionError
    with quotas.hold("a"):
        pass


def test_tokens_are_paid_to_every_quota() -> None:
    clock = Clock()
    made = policies(clock, p=policy(max_tokens_per_s=1))
    quotas = PolicedQuotas(Quotas({"default": Quota(tokens_per_s=100)}, clock), made, "m")
    with quotas.hold("a") as charge:
        charge.set(15)
    with pytest.raises(Exhausted, match="1 tokens a second"):
        quotas.check("a")


def test_a_request_that_is_in_pays_to_the_policy_that_let_it_in() -> None:
    made = policies(p=policy(max_concurrent=1))
    with ExitStack() as stack:
        stack.enter_context(made.hold("a", "m"))
        made.replace({"p": policy(max_concurrent=2)})
    made.check_quotas("a", "m")
