"""The image: small, without a shell, told truthfully by its bill of materials, and serving on a small Pi."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.image.container import Container, ContainerError, podman
from tests.image.memory import FILL_MEMORY

pytestmark = pytest.mark.timeout(300)
MOST_BYTES = 250_000_000
_INSTALLED = (
    "import json; from importlib.metadata import distributions;"
    "print(json.dumps([[d.metadata['Name'], d.version] for d in distributions()]))"
)
_MODELS = "import pathlib; print(sum(f.stat().st_size for f in pathlib.Path('/models').rglob('*')))"


@pytest.fixture(scope="module")
def container(image: str) -> Iterator[Container]:
    yield from serving(image, "--env=XAPP_INSECURE=true")


def serving(image: str, *options: str) -> Iterator[Container]:
    """A container that is healthy; removed afterwards."""
    started = Container.start(image, *options)
    try:
        started.wait_until_healthy()
        yield started
    finally:
        started.remove()


def ask(container: Container, *options: str) -> str:
    question = ("generate", "What is O-RAN?", "--max-tokens", "8", "--deadline", "60s")
    return container.inside("genai-xapp", *question, *options).strip()


def test_it_serves_with_the_limits_of_a_pi(container: Container) -> None:
    assert ask(container)
    status = container.inside("python", "-c", "print(open('/proc/1/status').read())")
    for line in ("CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2", "Uid:\t10001"):
        assert line in status
    with pytest.raises(ContainerError, match="Read-only file system"):
        container.inside("python", "-c", "open('/opt/x', 'w')")


def test_it_has_no_shell(image: str, container: Container) -> None:
    with pytest.raises(ContainerError, match="no such file"):
        podman("exec", container.id, "/bin/sh", "-c", "true")


def test_it_is_small_without_its_model(image: str, container: Container) -> None:
    size = int(podman("image", "inspect", "--format={{.Size}}", image))
    assert size - int(container.inside("python", "-c", _MODELS)) <= MOST_BYTES


def test_its_bill_of_materials_is_true(container: Container) -> None:
    bill = json.loads(
        container.inside("python", "-c", "print(open('/usr/share/genai-xapp.cdx.json').read())")
    )
    purls = {component["purl"] for component in bill["components"]}
    installed = json.loads(container.inside("python", "-c", _INSTALLED))
    told = {purl for purl in purls if purl.startswith("pkg:pypi/")}
    assert len(told) == len(installed)
    for name, version in installed:
        assert f"pkg:pypi/{name.lower().replace('_', '-').replace('.', '-')}@{version}" in told
    names = {purl.partition("@")[0] for purl in purls - told}
    assert {"pkg:deb/debian/libc6", "pkg:deb/debian/libgomp1"} <= names
    assert not names & {"pkg:deb/debian/bash", "pkg:deb/debian/perl-base", "pkg:deb/debian/apt"}


def test_a_worker_that_is_killed_for_memory_is_started_again(container: Container) -> None:
    with contextlib.suppress(ContainerError):  # once the worker is dead the kernel may take this program too
        container.inside("python", "-c", FILL_MEMORY)
    container.wait_until_healthy()
    assert ask(container)
    assert "the container is out of memory" in container.logs()


def test_its_health_check_knows_tls(image: str, tmp_path: Path) -> None:
    pair = Authority(tmp_path).sign("node")
    for path in (tmp_path, *tmp_path.iterdir()):
        path.chmod(0o755)
    tls = (
        "--env=XAPP_TLS_CERT=/tls/node.crt",
        "--env=XAPP_TLS_KEY=/tls/node.key",
        "--env=XAPP_INSECURE=true",
    )
    for closed in serving(image, f"--volume={pair.cert.parent}:/tls:ro", *tls):
        assert ask(closed, "--node-ca", "/tls/authority.crt", "--target", "localhost:50051")


def test_without_credentials_it_does_not_start(image: str) -> None:
    refused = Container.start(image)
    try:
        assert podman("wait", refused.id).strip() == "2"
        assert "XAPP_INSECURE" in refused.logs()
    finally:
        refused.remove()
