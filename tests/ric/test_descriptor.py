"""The descriptor follows the settings."""

from typing import Any

import pytest
from jsonschema import Draft7Validator

from tests.flat_settings import flat_settings
from xapp.config import Settings
from xapp.ric.descriptor import built_in, controls, controls_schema
from xapp.ric.onboarding import faults


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"slots": 4, "quotas": '{"default": {"concurrent": 8}}', "models": "a,b"},
        {"http_port": 0, "grpc_port": 0},
        {"http_port": 9080, "grpc_port": 50052},
        {"ric_rmr_endpoint": "rmr.ricxapp:4560", "ric_policy_type": 5},
        {"tls_cert": "/tls/tls.crt", "tls_key": "/tls/tls.key"},
    ],
    ids=str,
)
def test_it_is_one_that_the_onboarder_takes(values: dict[str, Any]) -> None:
    assert faults(built_in(flat_settings(**values)), controls_schema()) == []


def test_ports_and_probes_are_those_of_the_settings() -> None:
    made = built_in(flat_settings(http_port=9080, grpc_port=50052, tls_cert="c", tls_key="k"))
    assert [(each["name"], each["port"]) for each in made["messaging"]["ports"]] == [
        ("http", 9080),
        ("grpc", 50052),
    ]
    assert made["livenessProbe"]["httpGet"] == {
        "path": "/ric/v1/health/alive",
        "port": 9080,
        "scheme": "HTTPS",
    }


def test_a_sidecar_brings_rmr_and_the_policy_type() -> None:
    ports = {
        each["name"]: each for each in built_in(flat_settings(ric_rmr_endpoint="a:1"))["messaging"]["ports"]
    }
    assert ports["rmrdata"]["policies"] == [21100]
    assert ports["rmrdata"]["rxMessages"] == ["A1_POLICY_REQ"]
    assert "rmrroute" in ports
    assert "rmrdata" not in {each["name"] for each in built_in(Settings())["messaging"]["ports"]}


def test_controls_are_what_differs_from_the_defaults() -> None:
    assert controls(Settings()) == {}
    assert "controls" not in built_in(Settings())
    assert controls(flat_settings(slots=4, http_port=1, node_name="pi-1")) == {"slots": 4}


def test_the_schema_of_controls_stands_alone() -> None:
    schema = controls_schema()
    Draft7Validator.check_schema(schema)
    assert "$ref" not in str(schema)
    assert not Draft7Validator(schema).is_valid({"slots": 400})
    assert not Draft7Validator(schema).is_valid({"slot": 4})
