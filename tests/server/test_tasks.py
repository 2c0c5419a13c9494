"""Tasks on the wire: what is refused before any task is looked at, and what comes back."""

from typing import Any

import grpc
import pytest
from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp

from tests.server.conftest import Node
from xapp.domain.answers import Provenance
from xapp.domain.messages import Priority
from xapp.domain.task import InputType, Kind, Level, Task, TaskInput
from xapp.domain.task_call import TaskCall
from xapp.errors import InvalidArgument
from xapp.inference.v1 import inference_pb2 as pb
from xapp.security.principal import ANONYMOUS
from xapp.server import respond, score, tasks
from xapp.server.convert.requests import to_estimated, to_request

TASK = Task(
    "triage",
    2,
    "What is wrong.",
    Kind.GENERATE,
    "{{ line }}",
    "t.yaml",
    model="m",
    inputs=(TaskInput("line", InputType.STRING, "A line.", True),),
    json_schema='{"type": "object"}',
    default_deadline_s=1.5,
    priority=Level.BATCH,
    max_input_age_s=60.0,
)


def struct(**values: Any) -> Struct:
    return ParseDict(values, Struct())


def call_of(wire: pb.GenerateRequest) -> TaskCall:
    request = to_request(wire, "", None)
    assert request.prompt == ()
    assert request.task is not None
    return request.task


def test_a_call_of_a_task() -> None:
    values = {"a": 3, "b": [0.5, {"c": True, "d": None}], "e": "x"}
    stamp = Timestamp(seconds=10, nanos=500_000_000)
    wire = pb.GenerateRequest(task="triage@2", inputs=struct(**values), input_timestamp=stamp)
    call = call_of(wire)
    assert call == TaskCall("triage@2", values, 10.5, None)
    assert isinstance(call.inputs["a"], int)


def test_a_class_is_the_callers_only_when_it_is_named() -> None:
    named = pb.GenerateRequest(task="t", priority=pb.PRIORITY_INTERACTIVE)
    assert call_of(named).priority is Priority.INTERACTIVE
    assert call_of(pb.GenerateRequest(task="t")).priority is None


def test_score_and_estimate_take_tasks() -> None:
    scored = score.to_score(pb.ScoreRequest(task="t", inputs=struct(a=1)), "", None)
    assert (scored.request.task, scored.choices, scored.min_margin) == (TaskCall("t", {"a": 1}), (), None)
    estimated = to_estimated(pb.EstimateRequest(task="t", inputs=struct(a=1)), None, ANONYMOUS)
    assert estimated.task == TaskCall("t", {"a": 1})


def nested(depth: int) -> Struct:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return struct(a=value)


BAD = [
    (pb.GenerateRequest(task="t", prompt="x"), "prompt"),
    (pb.GenerateRequest(task="t", chat=pb.Chat()), "chat"),
    (pb.GenerateRequest(task="t", format=pb.OutputFormat(grammar="x")), "format"),
    (pb.GenerateRequest(task="t" * 129), "task"),
    (pb.GenerateRequest(prompt="x", inputs=struct(a=1)), "inputs"),
    (pb.GenerateRequest(prompt="x", input_timestamp=Timestamp(seconds=1)), "input_timestamp"),
    (pb.GenerateRequest(task="t", input_timestamp=Timestamp(nanos=-1)), "input_timestamp"),
    (pb.GenerateRequest(task="t", inputs=struct(a="x" * 70_000)), "inputs"),
    (pb.GenerateRequest(task="t", inputs=nested(16)), "inputs.a"),
    (pb.GenerateRequest(task="t", inputs=struct(a=float("inf"))), "inputs.a"),
    (pb.GenerateRequest(task="t", inputs=Struct(fields={"a": Value()})), "inputs.a"),
]


@pytest.mark.parametrize(("wire", "field"), BAD)
def test_what_does_not_fit_names_the_field(wire: pb.GenerateRequest, field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        to_request(wire, "", None)
    assert caught.value.field == field


def test_a_score_task_brings_its_own_choices() -> None:
    with pytest.raises(InvalidArgument) as caught:
        score.to_score(pb.ScoreRequest(task="t", choices=["a"]), "", None)
    assert caught.value.field == "choices"


def test_a_task_is_told_whole() -> None:
    wire = tasks.task(TASK)
    assert (wire.name, wire.version, wire.kind, wire.model) == ("triage", 2, "generate", "m")
    assert wire.inputs == [pb.TaskInput(name="line", type="string", description="A line.", optional=True)]
    assert (wire.json_schema, wire.priority) == ('{"type": "object"}', pb.PRIORITY_BATCH)
    assert wire.default_deadline.ToMilliseconds() == 1500
    assert wire.max_input_age.ToSeconds() == 60


def test_provenance_is_unset_where_it_is_not_known() -> None:
    assert respond.provenance(None) is None
    made_by = Provenance("sha256:1", "t@1", "sha256:2", 7, "build", "sha256:3", "sha256:4")
    assert respond.provenance(made_by) == pb.Provenance(
        model_digest="sha256:1",
        task="t@1",
        prompt_hash="sha256:2",
        seed=7,
        build="build",
        output_hash="sha256:3",
        model_origin="sha256:4",
    )


async def test_the_tasks_are_listed(node: Node) -> None:
    node.service.tasks = (TASK,)
    response = await node.inference.ListTasks(pb.ListTasksRequest())
    assert [task.name for task in response.tasks] == ["triage"]


async def test_a_refusal_is_a_status(node: Node) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await node.inference.Score(pb.ScoreRequest(task="t", choices=["a"]))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
