"""The last good policy stays, whatever its successor or its source looks like; each status says which."""

from collections.abc import Mapping
from typing import Any

import pytest

from xapp.domain.serving_policy import ServingPolicy
from xapp.ric.policies import Policies, PolicyStatus
from xapp.ric.policy_source import SourceError
from xapp.ric.policy_type import PolicyError


def said(most: int, **more: object) -> dict[str, Any]:
    return {"statement": {"max_output_tokens": most, **more}}


class Source:
    name = "source"
    period_s = 1.0

    def __init__(self) -> None:
        self.found: dict[str, Any] = {}
        self.failure = ""

    async def read(self) -> Mapping[str, Any]:
        if self.failure:
            raise SourceError(self.failure)
        return dict(self.found)


class Kept:
    """Policies with all that they touch."""

    def __init__(self) -> None:
        self.source = Source()
        self.in_force: dict[str, ServingPolicy] = {}
        self.num_applied = 0
        self.models = {"tiny"}
        self.reported: list[PolicyStatus] = []
        self.policies = Policies(self.source, self._apply, lambda: self.models, self.reported.append)

    def _apply(self, policies: Mapping[str, ServingPolicy]) -> None:
        self.num_applied += 1
        self.in_force = dict(policies)

    async def look(self, **found: Any) -> dict[str, tuple[bool, str]]:
        self.source.found = found
        await self.policies.look()
        return {each.instance_id: (each.enforced, each.reason) for each in self.policies.statuses()}

    def most(self, name: str = "p") -> int | None:
        return self.in_force[name].statement.max_output_tokens


ENFORCED = (True, "")


async def test_policies_come_change_and_go() -> None:
    kept = Kept()
    assert await kept.look(p=said(5)) == {"p": ENFORCED}
    assert kept.most() == 5
    await kept.look(p=said(6), q=said(7))
    assert (kept.most("p"), kept.most("q")) == (6, 7)
    assert await kept.look(q=said(7)) == {"q": ENFORCED}
    assert set(kept.in_force) == {"q"}
    assert [(each.instance_id, each.deleted) for each in kept.reported] == [
        ("p", False),
        ("q", False),
        ("p", True),
    ]


async def test_nothing_is_applied_or_reported_twice() -> None:
    kept = Kept()
    for _ in range(3):
        await kept.look(p=said(5))
    assert (kept.num_applied, len(kept.reported)) == (1, 1)


@pytest.mark.parametrize("bad", [said(0), "{", PolicyError("cannot be read"), None], ids=str)
async def test_a_bad_one_is_refused_and_the_last_good_one_stays(bad: Any) -> None:
    kept = Kept()
    await kept.look(p=said(5))
    for _ in range(3):
        assert await kept.look(p=bad) == {"p": (False, "STATEMENT_NOT_APPLICABLE")}
        assert kept.most() == 5
    assert "the last good one is in force" in kept.reported[-1].detail
    assert await kept.look(p=said(8)) == {"p": ENFORCED}
    assert kept.most() == 8


async def test_a_bad_one_from_the_start_is_not_in_force_and_spoils_no_other() -> None:
    kept = Kept()
    assert await kept.look(p=said(0), q=said(3)) == {"p": (False, "STATEMENT_NOT_APPLICABLE"), "q": ENFORCED}
    assert set(kept.in_force) == {"q"}


async def test_a_source_that_fails_for_an_hour_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="xapp.ric.policies")
    kept = Kept()
    await kept.look(p=said(5))
    kept.source.failure = "did not answer"
    for _ in range(130):
        await kept.look(p=said(9))
    assert kept.most() == 5
    assert kept.policies.failure == "did not answer"
    kept.source.failure = ""
    await kept.look(p=said(9))
    assert kept.most() == 9
    messages = [record.message for record in caplog.records if "source" in record.message]
    assert messages == ["source did not answer: policies stay", "source is back"]


async def test_why_a_policy_is_not_enforced() -> None:
    kept = Kept()
    elsewhere = said(5) | {"scope": {"model": "big-*"}}
    found = await kept.look(p=said(5, enforce=False), q=elsewhere)
    assert found == {"p": (False, "OTHER_REASON"), "q": (False, "SCOPE_NOT_APPLICABLE")}
    assert kept.most("q") == 5, "it holds as soon as its model is loaded"
    kept.models.add("big-1")
    assert (await kept.look(p=said(5, enforce=False), q=elsewhere))["q"] == ENFORCED


def test_a_status_is_an_answer_to_a1_whose_ids_are_numbers() -> None:
    assert PolicyStatus("p").body(21100, "genai") == {
        "policy_type_id": 21100,
        "policy_instance_id": "p",
        "handler_id": "genai",
        "status": "OK",
        "enforceStatus": "ENFORCED",
    }
    refused = PolicyStatus("p", "STATEMENT_NOT_APPLICABLE", "why").body(1, "g")
    assert (refused["status"], refused["enforceReason"], refused["detail"]) == (
        "ERROR",
        "STATEMENT_NOT_APPLICABLE",
        "why",
    )
    deleted = PolicyStatus("p", deleted=True).body(1, "g")
    assert (deleted["status"], deleted["enforceStatus"]) == ("DELETED", "NOT_ENFORCED")
