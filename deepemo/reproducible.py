"""Pins that make a stage write the same bytes on every x86-64 processor with AVX2 and FMA, with however many cores.

Libraries choose code by the processor's instruction set, and split sums by its cores. Environment variables, which the
libraries read when they are loaded, fix both here, so `pin` must come before NumPy and TensorFlow are imported.
`deepemo.eigen` fixes the sizes of the caches. The approximate reciprocals of a processor cannot be set; the networks
avoid everything that depends on them, see docs/reproducibility.md.

This module imports nothing but the standard library.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

FAST = "DEEPEMO_FAST"  # set to 1: nothing is pinned
THREADS = 2  # of TensorFlow, for any number of cores, because sums are split by threads
NEEDED = ("avx2", "fma")

# Feature groups beyond AVX2 for which NumPy has code, and the processor flags of each group. NumPy warns of a group
# that the processor lacks, so only the groups that it has are named.
_SKX = ("avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl")
_CLX = (*_SKX, "avx512_vnni")
_CNL = (*_SKX, "avx512ifma", "avx512vbmi")
_NUMPY_GROUPS = {
    "AVX512F": ("avx512f",),
    "AVX512CD": ("avx512f", "avx512cd"),
    "AVX512_SKX": _SKX,
    "AVX512_CLX": _CLX,
    "AVX512_CNL": _CNL,
    "AVX512_ICL": (*_CLX, *_CNL, "avx512_vbmi2", "avx512_bitalg", "avx512_vpopcntdq"),
}


def processor_flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """Flags of the first processor as Linux names them; empty if the file or its line of flags is missing."""
    if not cpuinfo.is_file():
        return frozenset()
    lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    return frozenset(next((line.partition(":")[2] for line in lines if line.startswith("flags")), "").split())


def pins(flags: Iterable[str]) -> dict[str, str]:
    """Environment variables that fix the libraries' code and threads on a processor with these flags."""
    found = set(flags)
    return {
        # oneDNN's convolutions split their sums by the caches. Eigen's take their place, and `deepemo.eigen` fixes the
        # cache sizes that these use.
        "TF_ENABLE_ONEDNN_OPTS": "0",
        # oneDNN still multiplies the blocks of Eigen's matrices.
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "TF_NUM_INTRAOP_THREADS": str(THREADS),
        "TF_NUM_INTEROP_THREADS": str(THREADS),
        "NPY_DISABLE_CPU_FEATURES": " ".join(
            group for group, needed in _NUMPY_GROUPS.items() if found.issuperset(needed)
        ),
        "OPENBLAS_CORETYPE": "Haswell",
        # OpenBLAS uses at most as many threads as there are cores, so 1 is the only number that every machine has.
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }


def pin(environment: Mapping[str, str] | None = None) -> str | None:
    """Set the pins in this process, replacing values of its environment, unless `DEEPEMO_FAST` is 1.

    Args:
        environment: where `DEEPEMO_FAST` is looked up; by default the environment of the process.

    Returns:
        One line if the bytes differ from those of other machines, otherwise None.
    """
    if (os.environ if environment is None else environment).get(FAST) == "1":
        return f"{FAST}=1: nothing is pinned, so another processor gives other bytes"
    flags = processor_flags()
    os.environ.update(pins(flags))
    missing = [flag for flag in NEEDED if flag not in flags]
    if missing:
        return f"this processor has no {' and no '.join(missing)}, so its bytes differ from those of one that has"
    return None
