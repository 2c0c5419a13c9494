"""Fixtures on the node; without one the tests of this folder are skipped."""

import os
import time
from collections.abc import Iterator

import pytest

from tests.cluster.release import Release, kubectl
from tests.figures import Figures

NAMESPACE = "ricxapp"
_FIGURES = Figures()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The figures, after the results."""
    for line in _FIGURES.lines:
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def figures() -> Figures:
    """Of this run."""
    return _FIGURES


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
def release(namespace: str, figures: Figures) -> Iterator[Release]:
    """The chart, installed and serving; uninstalled afterwards. Streams may take long on a busy machine."""
    installed = Release("genai-xapp", namespace)
    started = time.monotonic()
    installed.install("drain.seconds=240", "drain.beforeStopSeconds=1")
    try:
        installed.ask()
        figures.say(f"install to the first answer: {time.monotonic() - started:.1f} s (bar: 60 s)")
        figures.say(f"cold start of a pod to SERVING: {installed.start_s():.1f} s (bar: 5 s)")
        yield installed
    finally:
        installed.uninstall()
