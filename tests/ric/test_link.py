"""A node and its RIC: policies in, statuses, alarms and registration out, each only where it is set."""

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.ric.stand_ins import A1, AlarmManager, StandIn
from tests.ric.test_http import serving as serving_http
from tests.server.conftest import settings
from tests.server.fake_service import FakeHost, FakeService
from xapp.errors import ConfigError
from xapp.ric import link
from xapp.ric.alarm_kinds import CERTIFICATE_ENDS
from xapp.ric.link import RicLink

PAYLOAD = {"scope": {"client": "planner"}, "statement": {"max_output_tokens": 5}}

REGISTERS = {"ric_appmgr_url": "http://a", "ric_rmr_endpoint": "rmr:1"}


def made(service: FakeService, **values: Any) -> RicLink:
    return RicLink(service, settings(**values), FakeHost())


async def test_without_settings_nothing_is_done() -> None:
    service = FakeService()
    idle = made(service)
    async with idle.running():
        idle.on_ready()
        assert not idle._tasks
        await idle.leave()
    assert idle.policies() == []
    assert set(idle.gauges().values()) == {0}


async def test_a_policy_of_a1_is_put_in_force_and_its_status_is_reported() -> None:
    service = FakeService()
    async with A1().serving() as a1, StandIn().serving() as smo:
        a1.instances = {"good": PAYLOAD, "bad": {"statement": {"max_rps": 0}}}
        a1.encoded = True
        linked = made(service, ric_a1_url=a1.url, ric_a1_poll_s=0.1, ric_status_url=smo.url + "/status")
        async with linked.running():
            await smo.until(lambda: len(smo.asked) == 2)
            assert service.policies["good"].statement.max_output_tokens == 5
            told = {body["policy_instance_id"]: body for _, _, body in smo.asked}
            assert told["good"]["enforceStatus"] == "ENFORCED"
            assert told["bad"]["enforceStatus"] == "NOT_ENFORCED"
            assert "max_rps" in told["bad"]["detail"]
            assert linked.policies() == [told["bad"], told["good"]]
            assert linked.gauges()["policies_enforced"] == linked.gauges()["policies_not_enforced"] == 1
            a1.instances = {}
            await smo.until(lambda: len(smo.asked) == 4)
            assert {body["status"] for _, _, body in smo.asked[2:]} == {"DELETED"}
            assert service.policies == {}


@pytest.mark.parametrize("fault", [500, 404])
async def test_a1_that_fails_leaves_policies_as_they_are(fault: int) -> None:
    service = FakeService()
    async with A1().serving() as a1:
        a1.instances = {"p": PAYLOAD}
        linked = made(service, ric_a1_url=a1.url, ric_a1_poll_s=0.1)
        async with linked.running():
            await a1.until(lambda: bool(service.policies))
            a1.fault = fault
            num_asked = len(a1.asked)
            await a1.until(lambda: len(a1.asked) >= num_asked + 3)
            assert linked.gauges()["policies_source_failed"] == 1
            assert set(service.policies) == {"p"}


async def test_policies_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text(json.dumps(PAYLOAD))
    service = FakeService()
    async with StandIn().serving() as smo:
        linked = made(service, ric_policies=str(tmp_path), ric_status_url=smo.url)
        async with linked.running():
            await smo.until(lambda: len(smo.asked) == 1)
            assert set(service.policies) == {"p"}


async def test_alarms_reach_the_manager_and_are_cleared_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "ALARM_LOOK_S", 0.01)
    async with AlarmManager().serving() as manager:
        configured = settings(ric_alarms_url=manager.url)
        linked = RicLink(FakeService(), configured, FakeHost(), lambda: 1.0)
        async with linked.running():
            await manager.until(lambda: (CERTIFICATE_ENDS.id, "pi-1") in manager.active)
            assert linked.gauges()["alarms_raised"] >= 1
            assert CERTIFICATE_ENDS.text in str(linked.report()["alarms"])
            await linked.leave()
        assert manager.active == set()


async def test_after_a_defect_policies_are_followed_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    service, applied = FakeService(), asyncio.Event()
    calls = iter((lambda: 1 / 0, applied.set))
    service.set_policies = lambda policies: next(calls)()  # type: ignore[method-assign, assignment]
    monkeypatch.setattr(link, "AFTER_DEFECT_S", 0.0)
    async with A1().serving() as a1, AsyncExitStack() as stack:
        a1.instances = {"p": PAYLOAD}
        linked = made(service, ric_a1_url=a1.url)
        await stack.enter_async_context(linked.running())
        async with asyncio.timeout(20):
            await applied.wait()
    assert "internal error towards the RIC" in caplog.text


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"ric_a1_url": "a1:10000"}, "XAPP_RIC_A1_URL"),
        ({"ric_policies": "/nowhere"}, "XAPP_RIC_POLICIES"),
        ({"ric_policies": "/", "ric_a1_url": "http://a1"}, "XAPP_RIC_A1_URL"),
        ({"ric_alarms_url": "x"}, "XAPP_RIC_ALARMS_URL"),
        ({"ric_status_url": "x"}, "XAPP_RIC_STATUS_URL"),
        ({"ric_appmgr_url": "x"}, "XAPP_RIC_APPMGR_URL"),
        ({"ric_appmgr_url": "http://appmgr"}, "XAPP_RIC_RMR_ENDPOINT"),
        ({"ric_appmgr_url": "http://appmgr", "ric_rmr_endpoint": "rmr"}, "XAPP_RIC_RMR_ENDPOINT"),
        (REGISTERS | {"ric_http_endpoint": "h"}, "XAPP_RIC_HTTP_ENDPOINT"),
        (REGISTERS | {"tls_cert": "c", "tls_key": "k"}, "XAPP_RIC_APPMGR_URL"),
        (REGISTERS | {"tokens_file": "t"}, "XAPP_RIC_APPMGR_URL"),
        (REGISTERS | {"jwks": "j"}, "XAPP_RIC_APPMGR_URL"),
        (REGISTERS | {"tls_client_ca": "c"}, "XAPP_RIC_APPMGR_URL"),
    ],
    ids=str,
)
async def test_a_setting_that_cannot_be_stops_the_start(values: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        made(FakeService(), **values)
    assert caught.value.key == key


async def test_what_the_http_port_says_of_it(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text(json.dumps(PAYLOAD))
    service = FakeService()
    async with StandIn().serving() as smo:
        linked = made(service, ric_policies=str(tmp_path), ric_status_url=smo.url)
        async with linked.running(), serving_http(settings(), linked) as client:
            await smo.until(lambda: len(smo.asked) == 1)
            status, told = await client.json("/ric/v1/policies")
            assert (status, told) == (200, linked.policies())
            _, metrics = await client.get("/metrics")
            assert b"ricxapp_genai_policies_enforced 1.0" in metrics


def test_a_closed_node_may_register_where_the_configuration_is_open() -> None:
    for credentials in ("tokens_file", "jwks", "tls_client_ca"):
        made(FakeService(), **REGISTERS, open="health, metrics", **{credentials: "c"})
    made(FakeService(), **REGISTERS, tls_cert="c", tls_key="k", http_tls=False)
