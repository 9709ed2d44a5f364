"""Pins that make a stage write the same bytes on every x86-64 processor with AVX2 and FMA, with however many cores.

Libraries choose code by the processor's instruction set, and split sums by its cores. Both are held still here by
environment variables that the libraries read when they are loaded, so `pin` must come before NumPy and TensorFlow.
`deepemo.eigen` holds the sizes of the caches. The approximate reciprocals of a processor cannot be set: the networks
avoid what depends on them, see docs/reproducibility.md.

This module imports nothing but the standard library.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

FAST = "DEEPEMO_FAST"  # set to 1: nothing is pinned
THREADS = 2  # of TensorFlow whatever the cores: sums are split by them
NEEDED = ("avx2", "fma")

# Feature groups that NumPy has code for beyond AVX2, and the processor flags that make up each. NumPy warns of a group
# that the processor lacks, so only those that it has are named.
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
    """Flags of the first processor as Linux names them; none where the file or its line of flags is missing."""
    if not cpuinfo.is_file():
        return frozenset()
    lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    return frozenset(next((line.partition(":")[2] for line in lines if line.startswith("flags")), "").split())


def pins(flags: Iterable[str]) -> dict[str, str]:
    """Environment variables that hold the libraries still on a processor with these flags."""
    found = set(flags)
    return {
        # oneDNN's convolutions block their sums by the caches; Eigen's, which take their place, do not.
        "TF_ENABLE_ONEDNN_OPTS": "0",
        # oneDNN still multiplies the blocks of Eigen's matrices.
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "TF_NUM_INTRAOP_THREADS": str(THREADS),
        "TF_NUM_INTEROP_THREADS": str(THREADS),
        "NPY_DISABLE_CPU_FEATURES": " ".join(
            group for group, needed in _NUMPY_GROUPS.items() if found.issuperset(needed)
        ),
        "OPENBLAS_CORETYPE": "Haswell",
        # OpenBLAS takes no more threads than there are cores, so one is the only number that every machine has.
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }


def pin(environment: Mapping[str, str] | None = None) -> str | None:
    """Set the pins in this process, over what its environment says, unless `DEEPEMO_FAST` is 1.

    Args:
        environment: read for `DEEPEMO_FAST`; by default that of the process.

    Returns:
        One line where the bytes are not those of other machines, and None where they are.
    """
    if (os.environ if environment is None else environment).get(FAST) == "1":
        return f"{FAST}=1: nothing is pinned, so another processor gives other bytes"
    flags = processor_flags()
    os.environ.update(pins(flags))
    missing = [flag for flag in NEEDED if flag not in flags]
    if missing:
        return f"this processor has no {' and no '.join(missing)}, so its bytes differ from those of one that has"
    return None
