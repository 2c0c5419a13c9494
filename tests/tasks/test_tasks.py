"""Tasks: what becomes of a request that names one, and how their folder is followed."""

import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from tests.service.nodes import DIGEST, ORIGIN, Node, collect, finished_of, text_of
from tests.workers.workers import until
from xapp.backend.byte_vocab import ByteVocab
from xapp.domain.answers import Started
from xapp.domain.format_kinds import JsonSchema
from xapp.domain.messages import Priority
from xapp.domain.requests import ChatMessage, Request, ScoreRequest, TaskCall
from xapp.domain.task import Kind
from xapp.errors import ConfigError, FailedPrecondition, InvalidArgument, NotFound
from xapp.formats.validate import validator_of
from xapp.service.provenance import output_hash, prompt_hash
from xapp.service.service import NodeService
from xapp.tasks.tasks import Tasks
from xapp.text.codec import TextCodec
from xapp.text.local import LocalText
from xapp.text.task_template import render

NOW = 1_000_000.0
CELL = """\
name: cell
version: {version}
description: About a cell.
kind: generate
model: other
system: Be brief.
prompt: "Cell {{{{ cell }}}} at {{{{ load }}}}{{% if note %}} ({{{{ note }}}}){{% endif %}}."
inputs:
  cell: {{type: string, description: Its name., schema: {{pattern: "^C[0-9]+$"}}}}
  load: {{type: integer, description: Percent.}}
  note: {{type: string, description: A remark., optional: true}}
json_schema: {{type: object, properties: {{ok: {{type: boolean}}}}, required: [ok]}}
max_tokens: 24
default_deadline: 7s
priority: batch
max_input_age: 10s
"""
LINE = """\
name: line
version: 1
description: A line's class.
kind: score
prompt: "{{ line }}"
inputs:
  line: {type: string, description: The line.}
choices: [good, bad]
min_margin: 0.25
"""
ECHO = """\
name: echo
version: 1
description: Says it again.
kind: generate
prompt: "{{ text }}"
inputs:
  text: {type: string, description: What.}
"""
GOOD = {"cell": "C7", "load": 80}


async def render_here(_: Request, template: str, values: Mapping[str, Any]) -> str:
    return render(template, values)


async def check_here(_: Request, pairs: Sequence[tuple[str, str]]) -> list[str]:
    return [validator_of(schema).fault_of_text(text) for schema, text in pairs]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "tasks"
    path.mkdir()
    for version in (1, 2):
        (path / f"cell-{version}.yaml").write_text(CELL.format(version=version))
    (path / "line.yaml").write_text(LINE)
    (path / "echo.yaml").write_text(ECHO)
    return path


@pytest.fixture
async def tasks(folder: Path) -> AsyncIterator[Tasks]:
    tasks = Tasks(str(folder), render=render_here, check=check_here, poll_s=3600, clock=lambda: NOW)
    await tasks.start()
    yield tasks
    await tasks.aclose()


def call(name: str = "cell", **changes: object) -> Request:
    given = TaskCall(name, GOOD, timestamp=NOW)
    return Request((), task=replace(given, **changes))  # type: ignore[arg-type]


async def test_a_task_makes_the_request(tasks: Tasks) -> None:
    before = monotonic()
    request = await tasks.resolve(call())
    assert request.prompt == (ChatMessage("system", "Be brief."), ChatMessage("user", "Cell C7 at 80."))
    assert (request.model, request.task_label, request.task) == ("other", "cell@2", None)
    assert (request.max_tokens, request.priority) == (24, Priority.BATCH)
    assert isinstance(request.format, JsonSchema)
    assert request.deadline is not None
    assert before + 7 <= request.deadline <= monotonic() + 7


async def test_what_the_caller_sets_wins(tasks: Tasks) -> None:
    asked = replace(call(priority=Priority.CRITICAL), model="tiny", max_tokens=3, deadline=5.0)
    request = await tasks.resolve(asked)
    assert (request.model, request.max_tokens, request.deadline) == ("tiny", 3, 5.0)
    assert request.priority is Priority.CRITICAL


async def test_inputs_that_take_too_long_to_check_are_named(folder: Path) -> None:
    async def check(request: Request, pairs: Sequence[tuple[str, str]]) -> list[str]:
        assert request.model == "other"
        assert [text for _, text in pairs] == ['"C7"']
        raise InvalidArgument("json", "takes too much work to check: because", reason="NOT_CHECKED")

    tasks = Tasks(str(folder), render=render_here, check=check, poll_s=3600, clock=lambda: NOW)
    await tasks.start()
    try:
        with pytest.raises(InvalidArgument, match="too much work") as caught:
            await tasks.resolve(call())
    finally:
        await tasks.aclose()
    assert (caught.value.field, caught.value.reason) == ("inputs.cell", "NOT_CHECKED")


async def test_a_version_may_be_named(tasks: Tasks) -> None:
    assert (await tasks.resolve(call("cell@1"))).task_label == "cell@1"
    assert (await tasks.resolve(call("cell@2"))).task_label == "cell@2"


async def test_an_optional_input(tasks: Tasks) -> None:
    request = await tasks.resolve(call(inputs={**GOOD, "note": "new"}))
    assert request.prompt[1] == ChatMessage("user", "Cell C7 at 80 (new).")


@pytest.mark.parametrize("name", ["nothing", "cell@3", "cell@", "@2", "Cell"])
async def test_an_unknown_task_is_told_those_there_are(tasks: Tasks, name: str) -> None:
    with pytest.raises(NotFound) as caught:
        await tasks.resolve(call(name))
    assert caught.value.reason == "TASK_NOT_FOUND"
    assert caught.value.metadata == {"tasks": "cell@1, cell@2, echo@1, line@1"}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"cell": None}, "inputs.cell"),
        ({"cell": 7}, "inputs.cell"),
        ({"cell": "D7"}, "inputs.cell"),
        ({"load": "80"}, "inputs.load"),
        ({"load": True}, "inputs.load"),
        ({"load": 0.5}, "inputs.load"),
        ({"note": 1}, "inputs.note"),
        ({"colour": "red"}, "inputs.colour"),
    ],
)
async def test_a_bad_input_is_named(tasks: Tasks, changes: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        await tasks.resolve(call(inputs={**GOOD, **changes}))
    assert caught.value.field == field


async def test_a_missing_input_is_named(tasks: Tasks) -> None:
    with pytest.raises(InvalidArgument) as caught:
        await tasks.resolve(call(inputs={"cell": "C7"}))
    assert (caught.value.field, "Percent." in caught.value.message) == ("inputs.load", True)


@pytest.mark.parametrize("timestamp", [None, NOW - 10.5, NOW + 6])
async def test_stale_inputs_are_refused(tasks: Tasks, timestamp: float | None) -> None:
    """One ahead of the clock as well: so a clock that steps backwards cannot make old inputs fresh."""
    with pytest.raises(FailedPrecondition) as caught:
        await tasks.resolve(call(timestamp=timestamp))
    assert caught.value.reason == "STALE_INPUT"
    assert caught.value.metadata == {"task": "cell@2", "max_input_age_s": "10"}


@pytest.mark.parametrize("timestamp", [NOW, NOW - 10, NOW + 5])
async def test_fresh_inputs_are_taken(tasks: Tasks, timestamp: float) -> None:
    assert (await tasks.resolve(call(timestamp=timestamp))).task_label == "cell@2"


async def test_a_task_without_a_limit_asks_for_no_timestamp(tasks: Tasks) -> None:
    request = Request((), task=TaskCall("echo", {"text": "a"}))
    assert (await tasks.resolve(request)).prompt == (ChatMessage("user", "a"),)


async def test_a_task_of_the_other_kind_is_refused(tasks: Tasks) -> None:
    line = Request((), task=TaskCall("line", {"line": "x"}))
    with pytest.raises(InvalidArgument, match="line@1 is of kind score: call Score"):
        await tasks.resolve(line)
    with pytest.raises(InvalidArgument, match="call Generate"):
        await tasks.resolve_score(ScoreRequest(call(), ()))
    assert (await tasks.resolve(line, kind=None)).task_label == "line@1"


async def test_a_score_task_brings_its_choices(tasks: Tasks) -> None:
    line = Request((), task=TaskCall("line", {"line": "x"}))
    scored = await tasks.resolve_score(ScoreRequest(line, ()))
    assert (scored.choices, scored.min_margin) == (("good", "bad"), 0.25)
    assert scored.request.prompt == (ChatMessage("user", "x"),)
    assert (await tasks.resolve_score(ScoreRequest(line, (), min_margin=0.0))).min_margin == 0.0


async def test_a_render_is_bounded(tmp_path: Path) -> None:
    loops = "{% for a in text %}{% for b in text %}{% for c in text %}x{% endfor %}{% endfor %}{% endfor %}"
    (tmp_path / "t.yaml").write_text(ECHO.replace("{{ text }}", loops))
    tasks = Tasks(str(tmp_path), render=render_here, check=check_here, poll_s=3600)
    await tasks.reload()
    with pytest.raises(InvalidArgument, match="too much"):
        await tasks.resolve(Request((), task=TaskCall("echo", {"text": "a" * 1000})))
    await tasks.aclose()


# ---- files that stop the start, and reloads


BAD: list[tuple[Callable[[str], str], str]] = [
    (lambda text: text.replace("{{ text }}", "{{ txet }}"), "prompt: names 'txet', which is no input"),
    (lambda text: text.replace("{{ text }}", "{{ text"), "prompt: line 1: TemplateSyntaxError"),
    (lambda text: text.replace("{{ text }}", "{{ text | pprint | nosuch }}"), "prompt: "),
    (lambda text: text + "json_schema: {type: object, minProperties: 1}\n", "json_schema: /minProperties"),
    (
        lambda text: text.replace("What.}", "What., schema: {colour: red}}"),
        "inputs.text.schema: /colour: unsupported keyword",
    ),
    (lambda text: text.replace("kind: generate\n", ""), "kind: is missing"),
]


@pytest.mark.parametrize(("change", "why"), BAD)
async def test_the_start_refuses_a_bad_file(folder: Path, change: Callable[[str], str], why: str) -> None:
    (folder / "echo.yaml").write_text(change(ECHO))
    tasks = Tasks(str(folder), render=render_here, check=check_here)
    with pytest.raises(ConfigError) as caught:
        await tasks.start()
    assert caught.value.message.startswith(f"echo.yaml: {why}")
    await tasks.aclose()


async def test_the_service_does_not_start_with_a_bad_file(node: Node, folder: Path) -> None:
    (folder / "echo.yaml").write_text("name: echo\n")
    service = node.service(tasks_dir=str(folder))
    with pytest.raises(ConfigError, match=r"echo\.yaml: version: is missing"):
        await service.start()
    await service.aclose()


async def test_a_change_is_followed_and_a_bad_one_keeps_the_old_set(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tasks = Tasks(str(folder), render=render_here, check=check_here, poll_s=0.01)
    await tasks.start()
    try:
        (folder / "echo-2.yaml").write_text(ECHO.replace("version: 1", "version: 2"))
        await until(lambda: tasks.state.num_tasks == 5)
        assert (tasks.state.num_reloads, tasks.state.error) == (2, "")
        with caplog.at_level(logging.ERROR, "xapp.tasks.tasks"):
            (folder / "echo-2.yaml").write_text("name: echo\n")
            await until(lambda: tasks.state.error != "")
        assert "echo-2.yaml: version: is missing" in tasks.state.error
        assert (tasks.state.num_failed, tasks.state.num_tasks) == (1, 5)
        assert any("echo-2.yaml: version: is missing" in record.message for record in caplog.records)
        assert (await tasks.resolve(Request((), task=TaskCall("echo", {"text": "a"})))).task_label == "echo@2"
        (folder / "echo-2.yaml").unlink()
        await until(lambda: tasks.state.error == "")
        await until(lambda: tasks.state.num_tasks == 4)
    finally:
        await tasks.aclose()


async def test_one_error_is_told_once(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    tasks = Tasks(str(folder), render=render_here, check=check_here, poll_s=3600)
    await tasks.start()
    with caplog.at_level(logging.ERROR, "xapp.tasks.tasks"):
        for message in ("a", "a", "b"):
            tasks._failed(message)
    assert (len(caplog.records), tasks.state.num_failed) == (2, 2)
    await tasks.aclose()


# ---- through the service


async def test_an_answer_says_what_made_it(node: Node, folder: Path) -> None:
    async with node.serving(tasks_dir=str(folder)) as service:
        events = await collect(service, Request((), task=TaskCall("echo", {"text": "hi"})))
        labels = [task.label for task in service.list_tasks()]
    started, finished = events[0], finished_of(events)
    assert isinstance(started, Started)
    assert started.provenance is not None
    assert finished.provenance is not None
    prompt = [258, *b"user\nhi", 259, *b"\n", 258, *b"assistant\n"]
    assert started.provenance.prompt_hash == prompt_hash(prompt)
    assert (started.provenance.task, started.provenance.model_digest) == ("echo@1", DIGEST)
    assert started.provenance.model_origin == ORIGIN
    assert started.provenance.output_hash == ""
    assert finished.provenance == replace(started.provenance, output_hash=output_hash(text_of(events)))
    assert labels == ["cell@1", "cell@2", "echo@1", "line@1"]


async def test_provenance_without_a_task(node: Node) -> None:
    async with node.serving() as service:
        finished = finished_of(await collect(service, Request("hello")))
    assert finished.provenance is not None
    assert finished.provenance.task == ""
    assert finished.provenance.prompt_hash == prompt_hash(list(b"hello"))
    assert finished.provenance.build.startswith("genai-xapp ")


async def test_too_long_a_prompt_names_the_inputs(node: Node, folder: Path) -> None:
    async with node.serving(tasks_dir=str(folder)) as service:
        with pytest.raises(InvalidArgument) as caught:
            await collect(service, Request((), task=TaskCall("echo", {"text": "a" * 60_000})))
    assert (caught.value.field, caught.value.reason) == ("inputs", "PROMPT_TOO_LONG")


async def test_an_estimate_of_a_task(node: Node, folder: Path) -> None:
    async with node.serving(tasks_dir=str(folder)) as service:
        estimate = await service.estimate(Request((), task=TaskCall("echo", {"text": "hi"})))
    assert estimate.num_prompt_tokens == 21


async def test_an_estimate_of_a_score_generates_nothing(node: Node, folder: Path) -> None:
    async with node.serving(tasks_dir=str(folder)) as service:
        estimate = await service.estimate(Request((), task=TaskCall("line", {"line": "hi"})))
    assert estimate.num_completion_tokens == 1


async def test_a_model_without_a_template_names_the_task(node: Node, folder: Path) -> None:
    async def bare_codec(_: Path) -> LocalText:
        return LocalText(TextCodec(ByteVocab(chat_template=None)))

    tools = replace(node.tools(), load_codec=bare_codec)
    async with NodeService(node.settings(tasks_dir=str(folder)), tools=tools) as service:
        await service.wait_ready()
        with pytest.raises(InvalidArgument) as caught:
            await collect(service, Request((), task=TaskCall("echo", {"text": "hi"})))
    assert (caught.value.field, caught.value.reason) == ("task", "NO_CHAT_TEMPLATE")


def test_hashes_are_those_of_the_contract() -> None:
    # sha256 of 01 00 00 00 02 00 00 00, and of "é" in UTF-8.
    assert prompt_hash([1, 2]) == "sha256:34fb5c825de7ca4aea6e712f19d439c1da0c92c37b423936c5f618545ca4fa1f"
    assert output_hash("é") == "sha256:4a99557e4033c3539de2eb65472017cad5f9557f7a0625a09f1c3f6e2ba69c4c"


def test_kinds_are_the_rpcs() -> None:
    assert [kind.capitalize() for kind in Kind] == ["Generate", "Score"]
