"""What a machine must have for a Kubernetes node of its own."""

import shutil
import subprocess
from collections.abc import Iterator

from tests.image import needs

# Program → Debian's package.
PROGRAMS = {
    **needs.PROGRAMS,
    "iptables": "iptables",
    "ipset": "ipset",
    "nft": "nftables",
    "conntrack": "conntrack",
    "ip": "iproute2",
    "unshare": "util-linux",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
}
NAMESPACES = ("--net", "--mount", "--pid", "--ipc", "--uts")


def missing() -> str | None:
    """Why this machine cannot run the node, or None."""
    return next(_reasons(), None)


def _reasons() -> Iterator[str]:
    yield from needs.reasons(PROGRAMS)
    if shutil.which("go") is None:
        yield "needs Go, to build Kubernetes from its modules"
    mount = "mount -t tmpfs none /mnt && ip link add name here type veth peer name there"
    done = subprocess.run(
        ["unshare", *NAMESPACES, "--fork", "sh", "-c", mount], capture_output=True, text=True, check=False
    )
    if done.returncode:
        yield f"the kernel does not allow it: {done.stderr.strip()}"
