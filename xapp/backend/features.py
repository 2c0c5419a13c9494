"""Which CPU features the installed llama.cpp uses, and which this CPU has.

`python -m xapp.backend.features` prints the build's. A process of its own: a build for another CPU dies when
it is loaded.
"""

import re
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
FEATURES = {
    "AVX2": "avx2",
    "FMA": "fma",
    "F16C": "f16c",
    "AVX512": "avx512f",
    "NEON": "asimd",
    "DOTPROD": "asimddp",
    "MATMUL_INT8": "i8mm",
}
"""What decides the speed of kernels: llama.cpp's name → the kernel's name of the CPU flag."""


def of_build(system_info: str) -> set[str]:
    """The features that are in use, from what llama.cpp says of itself: `AVX2 = 1 | FMA = 0 | …`."""
    return {name for name, value in re.findall(r"(\w+) = (\d+)", system_info) if value != "0"}


def of_cpu(cpuinfo: str) -> set[str]:
    """llama.cpp's names of the features that the CPU has, from the kernel's text about it."""
    line = re.search(r"^(?:flags|Features)\s*:(.*)$", cpuinfo, re.MULTILINE)
    flags = set(line[1].split()) if line else set()
    return {name for name, flag in FEATURES.items() if flag in flags}


def this_cpu() -> set[str]:
    """As `of_cpu`; empty where the kernel does not tell."""
    try:
        return of_cpu(_CPUINFO.read_text())
    except OSError:
        return set()


def system_info() -> str:
    """What llama.cpp says of its build. May end the process on a CPU that the build is not for."""
    import llama_cpp  # noqa: PLC0415  loads the native library

    said: bytes = llama_cpp.llama_print_system_info()
    return said.decode(errors="replace")


if __name__ == "__main__":
    print(system_info())
