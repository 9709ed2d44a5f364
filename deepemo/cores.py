"""The processor cores of processes that work side by side.

TensorFlow splits its operations over a fixed number of threads in each process, see `deepemo.reproducible`. If several
processes share cores, these threads wait for each other across processes: on two cores, two processes that embed do 1.4
to 1.6 times the work of one, and 2.0 times if each has a core of its own.
"""

import os
import sys


def keep_to_share(number: int, processes: int) -> None:
    """Keep this process, and the threads that it starts later, to its share of the cores that it may use.

    Nothing happens if there are more processes than cores, or on systems other than Linux.

    Args:
        number: of this process, from 0.
        processes: that share the cores evenly.
    """
    if sys.platform == "linux":
        cores = sorted(os.sched_getaffinity(0))
        if processes <= len(cores):
            os.sched_setaffinity(0, cores[number::processes])
