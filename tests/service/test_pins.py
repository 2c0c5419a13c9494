"""Pinned prefixes: on a worker with the fake backend, whose tokens are bytes."""

import os
import signal
from pathlib import Path
from typing import Any

from tests.flat_settings import flat_settings
from tests.service.nodes import collect, is_ready, pid_of
from tests.tasks.test_tasks import ECHO
from tests.workers.workers import until
from xapp.domain.answers import Started
from xapp.domain.requests import ChatMessage, Request
from xapp.domain.scope import of_principal
from xapp.domain.task_call import TaskCall
from xapp.service.service import NodeService

SYSTEM = "You say again what you are told."
TASK = ECHO.replace('"{{ text }}"', '"Say this again: {{ text }}"') + f"system: {SYSTEM}\n"
PREFIX = f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\nSay this again: "
NUM_PINNED = len(PREFIX) - len("<|im_start|>" * 2 + "<|im_end|>") + 3


def service_of(folder: Path, **fields: Any) -> NodeService:
    (folder / "echo.yaml").write_text(TASK)
    values = {"backend": "fake", "model": "tiny", "tasks_dir": str(folder), **fields}
    return NodeService(flat_settings(**values))


def num_pinned(service: NodeService) -> int:
    return service.tasks_state.num_pinned


async def num_cached(service: NodeService, *, scope: str = "", task: str = "echo") -> int:
    request = Request((), task=TaskCall(task, {"text": "hello"}), max_tokens=2, scope=scope)
    started = (await collect(service, request))[0]
    assert isinstance(started, Started)
    return started.num_cached_tokens


async def test_the_first_request_of_a_task_finds_its_prefix(tmp_path: Path) -> None:
    async with service_of(tmp_path) as service:
        await service.wait_ready()
        await until(lambda: num_pinned(service) == 1)
        assert await num_cached(service) == NUM_PINNED
        assert service.samples()[0].time_to_first_token.p50 is not None


async def test_a_prefix_is_for_all_who_may_use_the_task(tmp_path: Path) -> None:
    (tmp_path / "twin.yaml").write_text(TASK.replace("echo", "twin"))
    async with service_of(tmp_path, tokens_file="callers have tokens") as service:
        await service.wait_ready()
        await until(lambda: num_pinned(service) == 2)
        for name in ("planner", "watcher"):
            assert await num_cached(service, scope=of_principal(name)) == NUM_PINNED
        (tmp_path / "echo.yaml").unlink()
        (tmp_path / "third.yaml").write_text(TASK.replace("echo", "third"))
        await until(lambda: num_pinned(service) == 3)
        assert await num_cached(service, scope=of_principal("other"), task="third") == NUM_PINNED


async def test_a_prompt_of_one_s_own_does_not_tell_what_a_task_says(tmp_path: Path) -> None:
    async with service_of(tmp_path, tokens_file="callers have tokens") as service:
        await service.wait_ready()
        await until(lambda: num_pinned(service) == 1)
        chat = (ChatMessage("system", SYSTEM), ChatMessage("user", "Say this again: hello"))
        request = Request(chat, max_tokens=2, scope=of_principal("planner"))
        started = (await collect(service, request))[0]
        assert isinstance(started, Started)
        assert started.num_cached_tokens == 0
        assert await num_cached(service, scope=of_principal("watcher")) == NUM_PINNED


async def test_a_new_worker_gets_them_again(tmp_path: Path) -> None:
    async with service_of(tmp_path) as service:
        await service.wait_ready()
        await until(lambda: num_pinned(service) == 1)
        first = pid_of(service)
        os.kill(first, signal.SIGKILL)
        await until(lambda: pid_of(service) not in {0, first})
        await until(lambda: service._pins._done["tiny"][0][1] == 1 and num_pinned(service) == 1)
        assert await num_cached(service) == NUM_PINNED


async def test_a_task_that_is_new_gets_pinned(tmp_path: Path) -> None:
    async with service_of(tmp_path) as service:
        await service.wait_ready()
        await until(lambda: num_pinned(service) == 1)
        (tmp_path / "other.yaml").write_text(TASK.replace("again: ", "once more: ").replace("echo", "other"))
        await service._tasks.reload()
        await until(lambda: num_pinned(service) == 2)


async def test_a_prefix_without_room_is_not_computed(tmp_path: Path) -> None:
    """It would displace the prefixes that clients asked for, and be forgotten."""
    (tmp_path / "long.yaml").write_text(TASK.replace(SYSTEM, "x" * 200).replace("echo", "a-long-task"))
    async with service_of(tmp_path, kv_cells=512) as service:
        await service.wait_ready()
        await until(lambda: num_pinned(service) > 0)
        assert await num_cached(service) == NUM_PINNED
        assert service.samples()[0].stats.total_prefill_tokens < 200


async def test_it_can_be_turned_off(tmp_path: Path) -> None:
    async with service_of(tmp_path, pin_tasks=False) as service:
        await service.wait_ready()
        assert await num_cached(service) == 0
        assert num_pinned(service) == 0


async def test_a_model_whose_settings_turn_prefixes_off_gets_none(tmp_path: Path) -> None:
    """`a` is loaded, and looked at, before `b`."""
    (tmp_path / "other.yaml").write_text(TASK.replace("name: echo", "name: other") + "model: b\n")
    async with service_of(tmp_path, model="a", models="b", own={"a": {"prefix_cache": False}}) as service:
        await until(lambda: is_ready(service, "b") and num_pinned(service) > 0)
        assert {name for name, (_, done) in service._pins._done.items() if done} == {"b"}
