"""What a machine must have for a Kubernetes node of its own."""

import os
import shutil
import subprocess
from collections.abc import Iterator

# Program → Debian's package.
PROGRAMS = {
    "podman": "podman",
    "runc": "runc",
    "debootstrap": "debootstrap",
    "iptables": "iptables",
    "nft": "nftables",
    "conntrack": "conntrack",
    "ipset": "ipset",
    "ip": "iproute2",
    "openssl": "openssl",
    "unshare": "util-linux",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
}
NAMESPACES = ("--net", "--mount", "--pid", "--ipc", "--uts")


def missing() -> str | None:
    """Why this machine cannot run the node, or None."""
    return next(_reasons(), None)


def _reasons() -> Iterator[str]:
    if os.geteuid() != 0:
        yield "needs root: a node makes namespaces, mounts and networks"
    packages = [package for program, package in PROGRAMS.items() if shutil.which(program) is None]
    if packages:
        yield f"needs programs that are not here: apt install {' '.join(packages)}"
    if shutil.which("go") is None:
        yield "needs Go, to build Kubernetes from its modules"
    mount = "mount -t tmpfs none /mnt && ip link add name here type veth peer name there"
    done = subprocess.run(
        ["unshare", *NAMESPACES, "--fork", "sh", "-c", mount], capture_output=True, text=True, check=False
    )
    if done.returncode:
        yield f"the kernel does not allow it: {done.stderr.strip()}"
