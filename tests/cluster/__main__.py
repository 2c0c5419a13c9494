"""Runs the tests of this folder beside a Kubernetes node: python -m tests.cluster [OPTION OF PYTEST...].

Builds what is missing first: Kubernetes (20 minutes, once), then the image. Where the machine cannot
run a node it says why, and ends with 0. IMAGE_ARCHIVE names an archive of the image that there is already.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.cluster import needs, programs, space
from tests.cluster.images import image_archive, pause_archive
from tests.image.build import ROOT, ImageError


def main() -> int:
    """The exit code of pytest."""
    if reason := needs.missing():
        print(f"the tests on a Kubernetes node are skipped: {reason}")
        return 0
    print("building what is missing (20 minutes on a new machine, seconds later)", flush=True)
    try:
        folder = programs.build(tuple(programs.PACKAGES), programs.user_cache())
    except programs.UnreachableError as error:
        print(f"the tests on a Kubernetes node are skipped: {error}")
        return 0
    archives = [pause_archive(folder), image_archive()]
    with tempfile.TemporaryDirectory(prefix="genai-xapp-node-") as root:
        inside = [sys.executable, "-m", "tests.cluster.inside", root, str(folder), *map(str, archives)]
        apart = ["unshare", *needs.NAMESPACES, "--fork", "--kill-child", "--mount-proc"]
        try:
            return subprocess.run([*apart, *inside, "--", *sys.argv[1:]], cwd=ROOT, check=False).returncode
        finally:
            space.remove_cgroups()
            keep_logs(Path(root) / "node" / "logs")


def keep_logs(logs: Path) -> None:
    """Where they can be read after a failure: .build/cluster."""
    kept = ROOT / ".build" / "cluster"
    kept.mkdir(parents=True, exist_ok=True)
    for log in logs.glob("*.log"):
        shutil.copy(log, kept / log.name)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (programs.ProgramError, ImageError) as error:
        sys.exit(f"tests.cluster: {error}")
