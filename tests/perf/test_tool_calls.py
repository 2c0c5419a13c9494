"""What counts as a good tool call."""

import json
from typing import Any

import pytest

from perf.tool_calls import Seen, fault_of, prompt

GOOD = {"cell": "C12", "minutes": 60, "confidence": 0.9}


def message(name: str = "predict_load", arguments: Any = GOOD) -> dict[str, Any]:
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return {"tool_calls": [{"function": {"name": name, "arguments": text}}]}


def test_a_good_call_has_no_fault() -> None:
    assert fault_of(message()) == ""


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ({"content": "60 %"}, "no call"),
        (message("reboot"), "no such tool"),
        (message(arguments="{"), "no JSON"),
        (message(arguments=GOOD | {"minutes": 61}), "61"),
        (message(arguments={"cell": "C12"}), "required"),
        ({"tool_calls": [*message()["tool_calls"], *message("reboot")["tool_calls"]]}, "no such tool"),
    ],
)
def test_faults_are_named(said: dict[str, Any], word: str) -> None:
    assert word in fault_of(said)


def test_the_prompts_differ() -> None:
    assert len({prompt(number) for number in range(200)}) == 200


def test_the_share_is_that_of_the_prompts() -> None:
    assert Seen("x", num_asked=4, faults=["3: no call"]).summary()["share"] == 0.75
