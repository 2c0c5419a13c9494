"""The chart, installed with the real image: it answers, and keeps answering."""

import asyncio
import contextlib
import json
import shutil
import sys
from pathlib import Path

import pytest

from tests.cluster.release import CommandError, Release, kubectl, run
from tests.image.build import ROOT
from tests.image.memory import FILL_MEMORY
from xapp.client import Client, user

pytestmark = pytest.mark.timeout(600)
QUESTION = [user("What is O-RAN?")]
DEADLINE_S = 240
ASK = ROOT / "clients" / "grpcurl" / "ask.sh"


async def ask(release: Release, max_tokens: int = 16) -> str:
    async with Client(release.address("grpc")) as client:
        pieces = [
            text async for text in client.stream_text(QUESTION, max_tokens=max_tokens, deadline_s=DEADLINE_S)
        ]
    return "".join(pieces)


def get(release: Release, path: str) -> str:
    """Through the API server, to a pod that the Service has: the node's own rules may come a moment later."""
    service = f"/api/v1/namespaces/{release.namespace}/services/{release.service}-http:http/proxy"
    return kubectl("get", "--raw", service + path)


async def test_it_answers_through_its_service(release: Release) -> None:
    assert await ask(release)
    (entry,) = json.loads(get(release, "/ric/v1/config"))
    assert entry["metadata"]["xappName"] == release.name
    assert "ricxapp_genai_ready 1.0" in get(release, "/ric/v1/metrics")


def test_the_pod_may_do_nothing(release: Release) -> None:
    """Neither in the cluster nor in its own file system."""
    account = f"--as=system:serviceaccount:{release.namespace}:{release.namespace}-{release.name}"
    for verb, resource in (("get", "pods"), ("list", "secrets"), ("get", "configmaps"), ("create", "pods")):
        with pytest.raises(CommandError, match="no"):
            kubectl("auth", "can-i", verb, resource, account, f"--namespace={release.namespace}")
    code = "import os; print(os.getuid(), os.access('/', os.W_OK), os.access('/models', os.W_OK))"
    assert release.inside("python", "-c", code).split() == ["10001", "False", "False"]
    status = release.inside("python", "-c", "print(open('/proc/1/status').read())")
    assert "CapEff:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status
    assert "Seccomp:\t2" in status


async def test_it_survives_a_lost_worker(release: Release) -> None:
    kill = (
        "import os, psutil\n"
        "worker = next(p for p in psutil.Process(1).children() if 'xapp.engine.worker' in p.cmdline())\n"
        "worker.kill(); print(worker.pid)"
    )
    assert release.inside("python", "-c", kill)
    kubectl(
        "wait",
        "--for=condition=Ready",
        f"pod/{release.pod()}",
        f"--namespace={release.namespace}",
        "--timeout=120s",
    )
    assert await ask(release)
    (pod,) = release.pods()
    assert [status["restartCount"] for status in pod["status"]["containerStatuses"]] == [0]


async def test_it_survives_a_worker_that_is_killed_for_memory(release: Release) -> None:
    """With cgroup v2 Kubernetes has the kernel kill the whole pod, which then starts again."""
    with contextlib.suppress(CommandError):  # the end of the pod is the end of the command
        release.inside("python", "-c", FILL_MEMORY, timeout_s=120)
    ready = ("wait", "--for=condition=Ready", f"pod/{release.pod()}", f"--namespace={release.namespace}")
    kubectl(*ready, "--timeout=120s")
    assert await ask(release)
    (pod,) = release.pods()
    (container,) = pod["status"]["containerStatuses"]
    killed = container["lastState"].get("terminated", {}).get("reason") == "OOMKilled"
    assert killed or "out of memory" in release.logs()


def test_grpcurl_asks_it_by_name(release: Release) -> None:
    own = Path(sys.executable).parent / "grpcurl"
    program = str(own) if own.exists() else shutil.which("grpcurl")
    if program is None:
        pytest.skip("needs grpcurl")
    asking = run("env", f"GRPCURL={program}", "sh", str(ASK), release.address("grpc"))
    for part in ("xapp.inference.v1.InferenceService", "SERVING", '"finished"'):
        assert part in asking


async def test_a_bad_upgrade_is_rolled_back(release: Release) -> None:
    with pytest.raises(CommandError):
        release.upgrade("image.tag=none", timeout_s=20)
    assert "rollback" in release.revision()["description"].lower()
    assert await ask(release)


def test_a_value_that_the_server_would_refuse_changes_nothing(release: Release) -> None:
    before = release.revision()
    with pytest.raises(CommandError, match="settings/slots"):
        release.upgrade("settings.slots=400")
    assert release.revision() == before


def test_helm_test_asks_through_the_service(release: Release) -> None:
    assert "Succeeded" in release.test()


async def test_an_update_under_load_loses_no_request(release: Release) -> None:
    """The new pod serves before the old one drains; the client tries UNAVAILABLE again."""
    before = release.pod()
    done = asyncio.Event()
    answers: list[str] = []

    async def caller() -> None:
        while not done.is_set():
            answers.append(await ask(release, max_tokens=8))

    async with asyncio.TaskGroup() as callers:
        for _ in range(3):
            callers.create_task(caller())
        values = ("rollout.maxSurge=1", "rollout.maxUnavailable=0", "settings.max_queue=65")
        await asyncio.to_thread(release.upgrade, *values)
        done.set()
    assert release.pod() != before
    assert answers
    assert all(answers)


async def test_a_pod_that_is_deleted_ends_its_stream_in_peace(release: Release) -> None:
    """Its grace is longer than the answer takes."""
    async with Client(release.address("grpc")) as client:
        stream = client.stream_text(QUESTION, max_tokens=200, deadline_s=DEADLINE_S, ignore_eos=True)
        pieces = [await anext(stream)]
        kubectl("delete", "pod", release.pod(), f"--namespace={release.namespace}", "--wait=false")
        pieces += [text async for text in stream]
    assert len(pieces) > 1
    release.roll_out()
    assert await ask(release)
