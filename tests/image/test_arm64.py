"""The image for arm64 on an emulated Pi 5: it serves. On an emulated Pi 4 it says what is wrong."""

import json
import time
from collections.abc import Iterator

import pytest

from tests.figures import Figures
from tests.image.container import Container, ContainerError, podman

pytestmark = pytest.mark.timeout(1200)
# QEMU reads the CPU that it emulates from here: those of a Pi 5 and of a Pi 4.
PI_5, PI_4 = "--env=QEMU_CPU=cortex-a76", "--env=QEMU_CPU=cortex-a72"
_OPTIONS = ("--platform=linux/arm64", "--env=XAPP_INSECURE=true")
_WITHIN_S = 600
_NUM_TOKENS = 24
_ASK = f"""
import asyncio, json, platform, time
from xapp.client import Client, user
async def ask():
    async with Client("127.0.0.1:50051") as client:
        began, pieces = time.monotonic(), []
        stream = client.stream_text([user("What is O-RAN?")], max_tokens={_NUM_TOKENS}, deadline_s=300)
        async for text in stream:
            pieces.append([text, time.monotonic() - began])
    print(json.dumps(dict(machine=platform.machine(), pieces=pieces)))
asyncio.run(ask())
"""


class Emulated(Container):
    """The image's own health check has 5 s: too few for an emulated Python to start on a busy machine."""

    def is_healthy(self) -> bool:
        try:
            self.inside("genai-xapp", "health")
        except ContainerError:
            return False
        return True


@pytest.fixture(scope="module")
def pi_5(image_arm64: str, figures: Figures) -> Iterator[Emulated]:
    began = time.monotonic()
    container = Emulated.start(image_arm64, *_OPTIONS, PI_5)
    try:
        container.wait_until_healthy(_WITHIN_S)
        figures.say(f"emulated Pi 5, start to healthy: {time.monotonic() - began:.0f} s")
        yield container
    finally:
        container.remove()


def test_it_streams_an_answer(pi_5: Emulated, figures: Figures) -> None:
    answer = json.loads(pi_5.inside("python", "-c", _ASK, timeout_s=_WITHIN_S))
    assert answer["machine"] == "aarch64"
    texts, times = zip(*answer["pieces"], strict=True)
    assert len(texts) > 1
    assert "".join(texts).strip()
    figures.say(f"it printed: {''.join(texts)!r}")
    figures.say(f"first text after {times[0]:.1f} s, {len(texts)} pieces in {times[-1]:.1f} s")


def test_it_has_no_privileges_and_no_shell(pi_5: Emulated) -> None:
    status = pi_5.inside("python", "-c", "print(open('/proc/1/status').read())")
    for line in ("CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Uid:\t10001"):
        assert line in status
    with pytest.raises(ContainerError, match="no such file"):
        podman("exec", pi_5.id, "/bin/sh", "-c", "true")


def test_its_bill_of_materials_names_what_was_cross_compiled(pi_5: Emulated) -> None:
    code = "print(open('/usr/share/genai-xapp.cdx.json').read())"
    components = json.loads(pi_5.inside("python", "-c", code))["components"]
    purls = {component["purl"].partition("@")[0] for component in components}
    assert {"pkg:deb/debian/libc6", "pkg:deb/debian/libgomp1", "pkg:pypi/llama-cpp-python"} <= purls


def test_a_cpu_below_the_baseline_is_told(image_arm64: str) -> None:
    container = Emulated.start(image_arm64, *_OPTIONS, PI_4)
    try:
        assert podman("wait", container.id, timeout_s=_WITHIN_S).strip() != "0"
        assert "native code was built for another CPU" in container.logs()
    finally:
        container.remove()
