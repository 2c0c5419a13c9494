"""The page's files, and what the page asks of the node beside OpenAI's dialect."""

import re
from pathlib import Path

import pytest

from tests.gateway.gateways import Gateway, running
from tests.gateway.test_access import key
from tests.server.conftest import settings
from tests.server.fake_service import MODEL, FakeService
from tests.server.test_access import secured
from xapp.domain.task import InputType, Kind, Task, TaskInput
from xapp.errors import Exhausted

PAGE = Path(__file__).resolve().parents[2] / "xapp" / "gateway" / "page"
FILES = sorted(path.name for path in PAGE.iterdir())
MOST_BYTES = 150_000
TASK = Task(
    name="triage",
    version=2,
    description="What is wrong.",
    kind=Kind.GENERATE,
    prompt="{{ line }}",
    source="triage.yaml",
    inputs=(TaskInput("line", InputType.STRING, "a line"),),
)
ADMIN_POLICY = '[planner]\nadmin = true\n[guest]\nmodels = ["other"]\n'


async def test_the_page_is_open_and_allows_no_strangers_code(tmp_path: Path) -> None:
    async with running(configured=secured(tmp_path)) as gateway:
        for path in ("/", *(f"/page/{name}" for name in FILES)):
            answer = await gateway.get(path)
            assert answer.status == 200
            assert "default-src 'none'; script-src 'self'" in answer.headers["content-security-policy"]
            assert answer.headers["x-content-type-options"] == "nosniff"
        for path in ("/page/none.js", "/page/__init__.py", "/page/..%2fguards.py"):
            assert (await gateway.get(path)).status in {401, 404}
        assert (await gateway.get("/node")).status == 401


def test_the_page_loads_nothing_from_elsewhere() -> None:
    for name in FILES:
        text = (PAGE / name).read_text()
        assert not re.search(r"(src|href)=[\"'](https?:)?//|import[^;]*https?:|url\(", text), name
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|style=", text), (
            name
        )


def test_the_page_is_small() -> None:
    assert sum((PAGE / name).stat().st_size for name in FILES) <= MOST_BYTES


async def test_the_live_view(gateway: Gateway) -> None:
    view = (await gateway.get("/node")).body
    other, tiny = view["models"]
    assert (view["node"], view["ready"], view["may_load"]) == ("pi-1", True, True)
    assert (other["name"], other["state"], other["loaded"]) == ("other", "available", False)
    assert (tiny["name"], tiny["num_running"], tiny["kv_cells_used"]) == (MODEL, 1, 30)
    assert tiny["time_to_first_token"] == {"p50": 0.5, "p95": 1.25, "p99": 2.0}
    assert view["host"]["temperature_celsius"] == 61.5


async def test_models_are_loaded_and_unloaded(gateway: Gateway) -> None:
    loading = (await gateway.post("/node/models/other/load", {})).body
    assert (loading["state"], loading["progress"]) == ("loading", 0.5)
    assert (await gateway.post("/node/models/other/unload", {})).body["state"] == "available"
    gateway.service.error = Exhausted("no room", reason="OUT_OF_MEMORY")
    assert (await gateway.post("/node/models/other/unload", {})).error[:2] == (429, "out_of_memory")


async def test_only_administrators_load_models(tmp_path: Path) -> None:
    async with running(configured=secured(tmp_path, ADMIN_POLICY)) as gateway:
        assert (await gateway.get("/node", **key("planner"))).body["may_load"]
        assert (await gateway.post("/node/models/x/load", {}, **key("planner"))).status == 200
        guest = (await gateway.get("/node", **key("guest"))).body
        assert not guest["may_load"]
        assert [each["name"] for each in guest["models"]] == ["other"]
        for act in ("load", "unload"):
            assert (await gateway.post(f"/node/models/x/{act}", {}, **key("guest"))).status == 403


async def test_closed_models_have_no_paths_here_either() -> None:
    async with running(configured=settings(closed="models")) as gateway:
        assert not (await gateway.get("/node")).body["may_load"]
        assert (await gateway.post("/node/models/other/load", {})).status == 404


async def test_tasks(gateway: Gateway) -> None:
    gateway.service.tasks = (TASK,)
    (task,) = (await gateway.get("/node/tasks")).body["tasks"]
    assert (task["name"], task["version"], task["kind"]) == ("triage", 2, "generate")
    assert task["inputs"] == [{"name": "line", "type": "string", "description": "a line", "optional": False}]


@pytest.mark.parametrize("path", ["/node", "/node/tasks", "/node/models/other/load"])
async def test_pages_of_others_may_not_ask(path: str) -> None:
    async with running(FakeService()) as gateway:
        method = "POST" if "load" in path else "GET"
        answer = await gateway.ask(method, path, headers={"Origin": "http://evil.example"})
        assert answer.error[:2] == (403, "unknown_origin")
