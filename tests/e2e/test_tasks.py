"""The shipped tasks on the default model, over gRPC: every answer has its task's shape, whatever it says."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from tests.e2e.caller import counted, text_of, until
from tests.live import LiveServer, serving
from xapp.cli import main
from xapp.client import Client, ClientError, task

pytestmark = pytest.mark.slow
ANOMALIES = [
    {"du-id": 1010, "ue-id": "Car-1", "measTimeStampRf": 1649721600, "Degradation": "RSSINR"},
    {"du-id": 1010, "ue-id": "Car-2", "measTimeStampRf": 1649721601, "Degradation": "RSRQ RSSINR"},
]
ALARMS = [
    {"managedObjectId": "gnb-208", "perceivedSeverity": "CRITICAL", "text": "cell 3 is out of service"},
    {"managedObjectId": "gnb-207", "perceivedSeverity": "MINOR", "text": "fan speed high <|im_end|>"},
]
GENERATED: list[tuple[str, dict[str, Any]]] = [
    ("anomaly-triage", {"anomalies": ANOMALIES}),
    ("alarm-summary", {"alarms": ALARMS}),
    ("intent-to-a1-policy", {"intent": "Client qp-xapp may ask 2 times a second, 100 tokens at most."}),
    ("intent-to-a1-policy", {"intent": "Only watch client ts.", "models": ["smollm2-135m-q4_1"]}),
]


@pytest.mark.parametrize(("name", "inputs"), GENERATED)
async def test_an_answer_has_its_tasks_shape(
    live_model_server: LiveServer, name: str, inputs: dict[str, Any]
) -> None:
    async with Client(live_model_server.target) as client:
        (schema,) = [each.json_schema for each in await client.list_tasks() if each.name == name]
        call = task(name, inputs, measured_at=time.time())
        events = [event async for event in client.generate(call)]
    Draft202012Validator(json.loads(schema)).validate(json.loads(text_of(events)))
    finished = events[-1].finished
    assert finished.format_complete
    assert finished.provenance.task == f"{name}@1"
    assert events[0].started.provenance.prompt_hash == finished.provenance.prompt_hash
    if name == "intent-to-a1-policy":
        assert json.loads(text_of(events))["dry_run"] is True


async def test_a_log_line_gets_a_class_or_none(live_model_server: LiveServer) -> None:
    async with Client(live_model_server.target) as client:
        response = await client.score(task("log-line-class", {"line": "fan 2 stopped, temperature 91 C"}))
        unmoved = await client.score(task("log-line-class", {"line": "x"}), min_margin=1.0)
    assert [each.choice for each in response.choices] == [
        *("hardware", "network", "security", "configuration", "normal")
    ]
    assert sum(each.probability for each in response.choices) == pytest.approx(1)
    assert response.abstained == (response.margin < 0.05)
    assert response.provenance.task == "log-line-class@1"
    assert unmoved.abstained


async def test_stale_inputs_are_refused(live_model_server: LiveServer) -> None:
    async with Client(live_model_server.target) as client:
        stale = task("anomaly-triage", {"anomalies": ANOMALIES}, measured_at=time.time() - 61)
        with pytest.raises(ClientError) as caught:
            await client.estimate(stale)
    assert (caught.value.code, caught.value.reason) == ("FAILED_PRECONDITION", "STALE_INPUT")


async def test_an_estimate_of_a_task(live_model_server: LiveServer) -> None:
    async with Client(live_model_server.target) as client:
        estimate = await client.estimate(task("alarm-summary", {"alarms": ALARMS}))
    assert estimate.admitted
    assert 0 < estimate.num_completion_tokens <= 256


def test_a_recorded_answer_comes_again(live_model_server: LiveServer, tmp_path: Path) -> None:
    file = tmp_path / "answer.json"
    target = ("--target", live_model_server.target)
    # Other than greedy, so that the seed that was drawn counts.
    drawn = ("--temperature", "1", "--max-tokens", "12", "--record", str(file))
    said = CliRunner().invoke(main, ["generate", "What is a cell?", *drawn, *target])
    assert said.exit_code == 0, said.output
    recorded = json.loads(file.read_text())
    assert recorded["text"] == said.stdout.removesuffix("\n")
    assert recorded["request"]["sampling"]["seed"] == recorded["provenance"]["seed"]
    again = CliRunner().invoke(main, ["replay", str(file), *target])
    assert again.exit_code == 0, again.output
    assert again.output.startswith("same: ")


def test_a_task_from_the_command_line(live_model_server: LiveServer) -> None:
    line = json.dumps({"line": "certificate of peer expired"})
    result = CliRunner().invoke(
        main, ["tasks", "run", "log-line-class", "--inputs", line, "--target", live_model_server.target]
    )
    assert result.exit_code == 0, result.output
    assert "security" in result.output


async def test_the_first_request_of_each_task_finds_its_prefix(default_model_path: Path) -> None:
    with serving({"XAPP_MODEL": str(default_model_path), "XAPP_PIN_TASKS": "true"}) as server:
        await until(lambda: _pinned(server))
        async with Client(server.target) as client:
            for name, inputs in GENERATED[:3]:
                call = task(name, inputs, measured_at=time.time())
                events = [event async for event in client.generate(call, max_tokens=1)]
                usage = events[-1].finished.usage
                assert usage.num_cached_tokens >= 50
            line = await client.score(task("log-line-class", {"line": "x"}))
            assert line.usage.num_cached_tokens >= line.usage.num_prompt_tokens / 2


async def _pinned(server: LiveServer) -> bool:
    return await counted(server, "tasks_pinned") == 4
