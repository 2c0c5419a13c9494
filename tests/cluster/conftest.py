"""Fixtures on the node; without one the tests of this folder are skipped."""

import os
from collections.abc import Iterator

import pytest

from tests.cluster.release import Release, kubectl

NAMESPACE = "ricxapp"


@pytest.fixture(scope="session")
def node() -> None:
    """`python -m tests.cluster` tells by a variable that there is one."""
    if "GENAI_XAPP_NODE" not in os.environ:
        pytest.skip("needs a Kubernetes node: `make test-cluster` brings one up")


@pytest.fixture(scope="session")
def namespace(node: None) -> str:
    """A namespace that admits only pods of the strictest security level."""
    kubectl("create", "namespace", NAMESPACE)
    level = "pod-security.kubernetes.io/enforce=restricted"
    kubectl("label", "namespace", NAMESPACE, level)
    return NAMESPACE


@pytest.fixture(scope="session")
def release(namespace: str) -> Iterator[Release]:
    """The chart, installed and serving; uninstalled afterwards. Streams may take long on a busy machine."""
    installed = Release("genai-xapp", namespace)
    installed.install("drain.seconds=240", "drain.beforeStopSeconds=1")
    try:
        yield installed
    finally:
        installed.uninstall()
