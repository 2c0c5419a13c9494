"""Who asks goes along with all that is done for it: the scope to the worker, the name to the text process."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.flat_settings import flat_settings
from tests.service.nodes import collect
from tests.tasks.test_tasks import ECHO
from xapp.domain.decoding import Ngram
from xapp.domain.format_kinds import Choices
from xapp.domain.messages import SamplingParams, Submit
from xapp.domain.requests import Request, ScoreRequest
from xapp.domain.scope import of_principal, of_task
from xapp.domain.task_call import TaskCall
from xapp.service.service import NodeService
from xapp.text.local import LocalText
from xapp.workers.token_stream import TokenStream

MINE, THEIRS = of_principal("me"), of_principal("them")
PROMPT = "cell load " * 20
CHOOSE = ECHO.replace("echo", "choose").replace("kind: generate", "kind: score") + "choices: [good, bad]\n"
ASKED = Request(PROMPT, max_tokens=4, scope=MINE, client="me")


def of(name: str) -> Request:
    """By a task."""
    return replace(ASKED, prompt=(), task=TaskCall(name, {"text": PROMPT}))


GENERATED = {
    "plain": ASKED,
    "ngram": replace(ASKED, strategy=Ngram()),
    "deterministic": replace(ASKED, deterministic=True),
    "drawn": replace(ASKED, sampling=SamplingParams(temperature=1.0)),
    "format": replace(ASKED, format=Choices(("up", "down"))),
    "task": of("echo"),
}
SCORED = {"plain": ScoreRequest(ASKED, ("up", "down")), "task": ScoreRequest(of("choose"), ())}


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[NodeService]:
    (tmp_path / "echo.yaml").write_text(ECHO)
    (tmp_path / "choose.yaml").write_text(CHOOSE)
    values: dict[str, Any] = {"backend": "fake", "model": "tiny", "tasks_dir": str(tmp_path)}
    async with NodeService(flat_settings(**values, pin_tasks=False, tokens_file="a file")) as service:
        await service.wait_ready()
        yield service


@pytest.fixture
def submits(service: NodeService, monkeypatch: pytest.MonkeyPatch) -> list[Submit]:
    """What the worker is asked."""
    model = service._registry.default
    assert model is not None
    seen: list[Submit] = []
    submit: Callable[[Submit], TokenStream] = model.supervisor.submit

    def noted(asked: Submit) -> TokenStream:
        seen.append(asked)
        return submit(asked)

    monkeypatch.setattr(model.supervisor, "submit", noted)
    return seen


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Whose texts a text process would be asked for."""
    seen: set[str] = set()
    for name in ("read", "read_choices", "render", "check"):
        _note_client(monkeypatch, name, seen)
    return seen


def _note_client(monkeypatch: pytest.MonkeyPatch, name: str, seen: set[str]) -> None:
    ask = getattr(LocalText, name)

    async def noted(text: LocalText, *asked: Any) -> Any:
        seen.add(asked[-1])
        return await ask(text, *asked)

    monkeypatch.setattr(LocalText, name, noted)


def scopes(submits: list[Submit]) -> set[tuple[str, str]]:
    return {(each.scope, each.task_scope) for each in submits}


@pytest.mark.parametrize("kind", GENERATED)
async def test_every_generate_is_in_its_caller_s_scope(
    service: NodeService, submits: list[Submit], clients: set[str], kind: str
) -> None:
    await collect(service, GENERATED[kind])
    assert scopes(submits) == {(MINE, of_task("echo") if kind == "task" else "")}
    assert clients == {"me"}


@pytest.mark.parametrize("kind", SCORED)
async def test_every_score_is_in_its_caller_s_scope(
    service: NodeService, submits: list[Submit], clients: set[str], kind: str
) -> None:
    await service.score(SCORED[kind])
    assert scopes(submits) == {(MINE, of_task("choose") if kind == "task" else "")}
    assert clients == {"me"}


async def test_what_computes_nothing_is_its_caller_s_as_well(service: NodeService, clients: set[str]) -> None:
    await service.tokenize("", PROMPT, "me")
    await service.estimate(ASKED)
    await service.estimate(of("echo"))
    assert clients == {"me"}


async def test_score_tells_nothing_of_what_others_asked(service: NodeService) -> None:
    """Whether they scored or generated it."""
    mine = SCORED["plain"]
    theirs = replace(mine, request=replace(mine.request, scope=THEIRS, client="them"))
    await service.score(mine)
    await collect(service, ASKED)
    assert await num_cached(service, theirs) == 0
    assert await num_cached(service, mine) > 0


async def num_cached(service: NodeService, asked: Any) -> int:
    return (await service.score(asked)).finished.num_cached_tokens
