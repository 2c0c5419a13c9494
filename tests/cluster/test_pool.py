"""Two pods behind one name: an update, a deletion and a drain under load, without a failed request."""

import subprocess
from collections.abc import Iterator

import pytest

from tests.cluster.load import Answered, asking_during
from tests.cluster.release import Release, kubectl
from tests.cluster.space import NODE
from tests.figures import Figures

pytestmark = pytest.mark.timeout(600)
NUM_REQUESTS = 200
_VALUES = (
    *("kind=Deployment", "replicas=2", "podDisruptionBudget.enabled=true"),
    *("rollout.maxSurge=1", "rollout.maxUnavailable=0", "resources.requests.cpu=50m"),
    *("drain.seconds=60", "settings.max_queue=64"),
)


@pytest.fixture(scope="module")
def pool(namespace: str) -> Iterator[Release]:
    release = Release("pool", namespace, kind="deployment")
    release.install(*_VALUES)
    try:
        yield release
    finally:
        release.uninstall()


async def under_load(pool: Release, figures: Figures, name: str, *command: str) -> None:
    """Runs the command, then waits until all pods serve, while callers ask both pods."""
    before = {pod["metadata"]["name"] for pod in pool.pods()}

    def change() -> None:
        subprocess.run(command, check=True, capture_output=True, timeout=300)
        pool.roll_out()

    answered = await asking_during(f"dns:///{pool.address('grpc-pods')}", NUM_REQUESTS, change)
    figures.say(f"{name}: {len(answered.errors)} failed of {total(answered)} requests")
    assert answered.errors == []
    assert answered.num_answers >= NUM_REQUESTS
    assert before != {pod["metadata"]["name"] for pod in pool.pods()}


def total(answered: Answered) -> int:
    return answered.num_answers + len(answered.errors)


async def test_a_rolling_update(pool: Release, figures: Figures) -> None:
    restart = ("kubectl", "rollout", "restart", pool.workload, f"--namespace={pool.namespace}")
    await under_load(pool, figures, "rolling update", *restart)


async def test_a_deleted_pod(pool: Release, figures: Figures) -> None:
    pod = pool.pods()[0]["metadata"]["name"]
    await under_load(
        pool, figures, "pod deleted", "kubectl", "delete", "pod", pod, f"--namespace={pool.namespace}"
    )


async def test_a_drained_node(pool: Release, figures: Figures) -> None:
    """There is no second node: this node admits pods again while it is drained, as a second node would."""
    selector = f"--pod-selector=release={pool.name}"
    drain = f"kubectl drain {NODE} {selector} --delete-emptydir-data --timeout=240s"
    closed = f"kubectl wait --for=jsonpath={{.spec.unschedulable}}=true node/{NODE} --timeout=60s"
    admit = f"{closed} && kubectl uncordon {NODE}"
    try:
        await under_load(
            pool, figures, "node drained", "bash", "-c", f"{drain} & drain=$!; {admit}; wait $drain"
        )
    finally:
        kubectl("uncordon", NODE)
