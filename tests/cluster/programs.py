"""Programs in Go that the tests need and a machine need not have: built once for each state of their sources.

They are kept in $XDG_CACHE_HOME/genai-xapp/programs (~/.cache when unset), by a hash over the sources, their
locked modules and Go's version.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

SOURCES = Path(__file__).parent / "programs"
KUBERNETES = "v1.37.2"
CONTAINERD = "v2.4.2"
_CONTAINERD = "github.com/containerd/containerd/v2"
_FLAGS = {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly -buildvcs=false"}
_VERSION = "k8s.io/component-base/version"
_CLIENT_VERSION = "k8s.io/client-go/pkg/version"

PACKAGES = {
    "helm": "./cmd/helm",
    "kube": "./cmd/kube",
    "pause": "./cmd/pause",
    **{name: f"{_CONTAINERD}/cmd/{name}" for name in ("containerd", "containerd-shim-runc-v2", "ctr")},
}
KUBE_NAMES = (
    *("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy"),
    *("kubelet", "kubectl", "helm", "kube-policies"),
)
"""What the program `kube` is, by the name it is called."""


class ProgramError(Exception):
    """A program cannot be had; the message says why."""


class UnreachableError(ProgramError):
    """The modules are not here and cannot be fetched."""


def build(names: Sequence[str], cache: Path) -> Path:
    """The folder with these programs of PACKAGES, built where they are not there yet. Raises ProgramError."""
    go = shutil.which("go")
    if go is None:
        raise ProgramError("needs Go, to build Helm and Kubernetes from their modules")
    folder = _folder(go, cache)
    folder.mkdir(parents=True, exist_ok=True)
    lacking = [name for name in names if not (folder / name).exists()]
    if lacking:
        _fetch(go, lacking)
    for name in lacking:
        _build(go, name, folder)
    return folder


def built(name: str, cache: Path) -> Path:
    """One of PACKAGES that was built before. Raises ProgramError where it was not: a build takes minutes."""
    go = shutil.which("go")
    program = None if go is None else _folder(go, cache) / name
    if program is None or not program.exists():
        raise ProgramError(f"needs {name}: `make {name}` builds it, and says why it cannot be built")
    return program


def _folder(go: str, cache: Path) -> Path:
    return cache / "genai-xapp" / "programs" / _key(go)


def user_cache() -> Path:
    """Where this user's caches are."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _key(go: str) -> str:
    version = subprocess.run([go, "env", "GOVERSION", "GOARCH"], capture_output=True, check=True).stdout
    digest = hashlib.sha256(version + Path(__file__).read_bytes())
    for path in sorted(SOURCES.rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(SOURCES)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _fetch(go: str, names: Sequence[str]) -> None:
    """Fetches the modules of these programs, where they are not here yet."""
    command = [go, "list", "-deps", *(PACKAGES[name] for name in names)]
    done = subprocess.run(
        command, cwd=SOURCES, env={**os.environ, **_FLAGS}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise UnreachableError(f"Go modules cannot be fetched: {done.stderr.strip()[-1000:]}")


def _build(go: str, name: str, folder: Path) -> None:
    """Renamed into its place once it is whole: two runs at once do not see each other's half."""
    with tempfile.TemporaryDirectory(dir=folder, prefix=".building-") as work:
        made = Path(work) / name
        command = [go, "build", "-trimpath", "-ldflags", _linker_flags(), "-o", str(made), PACKAGES[name]]
        done = subprocess.run(
            command, cwd=SOURCES, env={**os.environ, **_FLAGS}, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ProgramError(f"go build {PACKAGES[name]}: {done.stderr.strip()[-2000:]}")
        made.rename(folder / name)


def _linker_flags() -> str:
    """Without a version the API server is v0.0.0, which the chart's kubeVersion refuses."""
    minor = KUBERNETES.split(".")[1]
    facts = {"gitVersion": KUBERNETES, "gitMajor": "1", "gitMinor": minor, "gitTreeState": "clean"}
    named = [
        f"-X {package}.{key}={value}"
        for package in (_VERSION, _CLIENT_VERSION)
        for key, value in facts.items()
    ]
    return " ".join(["-s -w", *named, f"-X {_CONTAINERD}/version.Version={CONTAINERD}"])


def main(names: Sequence[str]) -> None:
    """Builds those that the machine lacks. One that cannot be built is named: its tests are skipped."""
    for name in names:
        if shutil.which(name) is None:
            try:
                build([name], user_cache())
            except ProgramError as error:
                print(f"{name} is not built, and its tests are skipped: {error}", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
