"""The policy type as A1 knows it, and payloads in each of the forms in which they come."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from xapp.config import Settings
from xapp.domain.serving_policy import Scope, ServingPolicy, Statement
from xapp.ric.policy_type import MAX_PAYLOAD_BYTES, PolicyError, decode, policy_type, read_id, read_policy

COMMITTED = Path(__file__).parents[2] / "helm" / "genai-xapp" / "files" / "llm_serving.json"
WHOLE: dict[str, Any] = {
    "scope": {"client": "cell-*", "model": "*"},
    "statement": {
        "allowed_models": ["smollm2-*"],
        "max_priority": "INTERACTIVE",
        "max_output_tokens": 128,
        "default_deadline_s": 5,
        "max_deadline_s": 10.5,
        "max_rps": 2,
        "max_tokens_per_s": 200,
        "max_concurrent": 4,
        "enforce": True,
    },
}
GOOD: list[dict[str, Any]] = [WHOLE, {"statement": {}}, {"statement": {"max_rps": None}, "scope": {}}]
BAD: list[Any] = [
    {},
    {"scope": {}},
    {"statement": {"max_rsp": 1}},
    {"statement": {}, "more": 1},
    {"statement": {}, "scope": {"clients": "a"}},
    {"statement": {"max_output_tokens": 0}},
    {"statement": {"max_output_tokens": "12"}},
    {"statement": {"max_rps": 0}},
    {"statement": {"max_rps": -1}},
    {"statement": {"max_rps": 1e300}},
    {"statement": {"max_priority": "URGENT"}},
    {"statement": {"allowed_models": []}},
    {"statement": {"allowed_models": "a"}},
    {"statement": {"allowed_models": ["a"] * 65}},
    {"statement": {"enforce": "yes"}},
    {"statement": {"max_deadline_s": 86401}},
    {"statement": []},
    [],
    None,
    3,
]


@pytest.mark.parametrize("payload", GOOD, ids=str)
@pytest.mark.parametrize("times", [0, 1, 2])
def test_an_object_and_a_text_of_it_say_the_same(payload: dict[str, Any], times: int) -> None:
    sent: Any = payload
    for _ in range(times):
        sent = json.dumps(sent)
    assert read_policy(sent) == read_policy(payload)


def test_what_a_policy_says_is_taken() -> None:
    said = Statement(("smollm2-*",), "INTERACTIVE", 128, 5, 10.5, 2, 200, 4, True)
    assert read_policy(WHOLE) == ServingPolicy(said, Scope("cell-*", "*"))


@pytest.mark.parametrize("payload", BAD, ids=str)
def test_what_is_no_policy_is_refused(payload: Any) -> None:
    for sent in (payload, json.dumps(payload)):
        with pytest.raises(PolicyError):
            read_policy(sent)


@pytest.mark.parametrize(
    "text",
    [
        *("{", "", "[" * 30_000, "NaN", "1" * 5000, '"' + "x" * MAX_PAYLOAD_BYTES + '"'),
        *(r'{"statement": {"\ud800": 1}}', r'{"statement": {"max_priority": "\ud800"}}'),
        r'{"statement": {}, "scope": {"client": "\ud800"}}',
    ],
    ids=lambda t: t[:9],
)
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(PolicyError):
        read_policy(text)


def test_numbers_that_are_none_are_refused() -> None:
    for number in ("NaN", "Infinity", "-Infinity", "1e999"):
        with pytest.raises(PolicyError):
            read_policy(f'{{"statement": {{"max_rps": {number}}}}}')


def test_a_text_in_a_text_without_an_end_is_refused() -> None:
    sent: Any = {"statement": {}}
    for _ in range(4):
        sent = json.dumps(sent)
    with pytest.raises(PolicyError, match="no JSON object"):
        read_policy(sent)


def test_a1_and_the_node_agree_on_what_is_a_policy() -> None:
    validator = Draft7Validator(policy_type(1)["create_schema"])
    assert [payload for payload in GOOD if not validator.is_valid(payload)] == []
    assert [payload for payload in BAD if validator.is_valid(payload)] == []


def test_the_committed_type_is_that_of_this_tree() -> None:
    made = policy_type(Settings().ric.policy_type)
    assert json.loads(COMMITTED.read_text()) == made, "run 'python -m scripts.chart_schema'"
    assert "$ref" not in COMMITTED.read_text()


def test_ids_are_numbers_in_either_form() -> None:
    assert (read_id(21100), read_id("21100")) == (21100, 21100)
    for wrong in (None, True, "", "x", "1" * 11, 1.5, "²"):
        with pytest.raises(PolicyError):
            read_id(wrong)


def test_sizes_are_bounded() -> None:
    with pytest.raises(PolicyError, match="larger than"):
        decode(b" " * (MAX_PAYLOAD_BYTES + 1))
