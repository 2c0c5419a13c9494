"""Whatever a stranger sends, the answer is the dialect's and the log has no traceback."""

import json
import logging
from typing import Any

import pytest

from tests.gateway.gateways import CHAT, Gateway

MESSAGE = {"role": "user", "content": "hi"}
ODD: list[bytes] = [
    b'{"messages":[{"role":"user","content":"\\ud800"}]}',
    b'{"messages":[{"role":"user","content":"hi"}],"stop":"\\udfff"}',
    b'{"messages":[{"role":"user","content":"hi"}],"user":"\\ud800"}',
    b'{"messages":[{"role":"user","content":"hi"}],"temperature":1e999}',
    b'{"messages":[{"role":"user","content":"hi"}],"temperature":NaN}',
    b'{"messages":[{"role":"user","content":"hi"}],"seed":123456789012345678901234567890}',
    b'{"messages":[{"role":"user","content":"hi"}],"logit_bias":{"99999999999999999999":1}}',
    b'{"messages":[{"role":"user","content":"hi"}],"logit_bias":{"\xc2\xb2":1}}',
    b'{"messages":[{"role":"user","content":[null]}]}',
    b'{"messages":[{"role":"user","content":[{"type":{}}]}]}',
    b'{"messages":[{"role":null}]}',
    b'{"messages":[[]]}',
    b'{"messages":[{"role":"user","content":"hi"}],"response_format":{"type":"json_schema","json_schema":{}}}',
    b'{"messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":""}}]}',
    b'{"messages":[{"role":"user","content":"hi"}],"tools":[null]}',
    b'{"messages":[{"role":"user","content":"hi"}],"tool_choice":{}}',
    b'{"":1}',
    json.dumps({"x" * 5000: 1}).encode(),
]


@pytest.mark.parametrize("body", ODD, ids=lambda body: repr(body[-40:]))
async def test_odd_bodies(gateway: Gateway, caplog: pytest.LogCaptureFixture, body: bytes) -> None:
    answer = await gateway.post(CHAT, body)
    assert answer.error[0] == 400
    assert len(answer.body["error"]["message"]) < 1000
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


HEADERS: list[dict[str, Any]] = [
    {"X-Correlation-Id": "x" * 200},
    {"X-Correlation-Id": "größe"},
    {"X-Client-Id": "x" * 200},
    {"X-Priority": "first"},
    {"X-Deadline-Policy": ""},
    {"X-Deadline-Ms": "inf"},
    {"Origin": "http://[::1"},
    {"Host": "[::1"},
    {"Authorization": "Basic x"},
]


@pytest.mark.parametrize("headers", HEADERS, ids=str)
async def test_odd_headers(
    gateway: Gateway, caplog: pytest.LogCaptureFixture, headers: dict[str, str]
) -> None:
    answer = await gateway.post(CHAT, {"messages": [MESSAGE]}, **headers)
    assert answer.status in {200, 400, 401, 403, 421}
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
