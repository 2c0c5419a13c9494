"""Checks of the software: its parts, and llama.cpp's build against the CPU."""

import subprocess
import sys
from importlib.util import find_spec

from xapp.backend.features import FEATURES, of_build, this_cpu
from xapp.cli.doctor.finding import Finding, fail, good, warn
from xapp.extras import how_to_add
from xapp.version import build

_LOAD_S = 60.0
_REBUILD = "build llama.cpp for this CPU: make rebuild"


def check_build() -> Finding:
    """Whether llama.cpp loads here, and uses what the CPU has."""
    if find_spec("llama_cpp") is None:
        return fail("llama.cpp", "llama-cpp-python is not installed", how_to_add("server"))
    command = [sys.executable, "-m", "xapp.backend.features"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_LOAD_S, check=False)
    except subprocess.TimeoutExpired:
        return fail("llama.cpp", f"the library is not loaded after {_LOAD_S:g} s", _REBUILD)
    if done.returncode:
        return fail("llama.cpp", _end_of(done), _REBUILD)
    return compare(of_build(done.stdout), this_cpu())


def compare(used: set[str], there: set[str]) -> Finding:
    """A finding from the features that the build uses and those that the CPU has."""
    unused = sorted(there - used)
    if unused:
        text = f"the build does not use {', '.join(unused)}, which this CPU has: answers are slower"
        return warn("llama.cpp", text, _REBUILD)
    named = ", ".join(sorted(used & set(FEATURES))) or "no special features"
    return good("llama.cpp", f"{build()}; the build uses {named}")


def _end_of(done: "subprocess.CompletedProcess[str]") -> str:
    if done.returncode < 0:
        return f"the library ended its process by signal {-done.returncode}: it is built for another CPU"
    last = (done.stderr.strip().splitlines() or ["no message"])[-1]
    return f"the library does not load: {last}"
