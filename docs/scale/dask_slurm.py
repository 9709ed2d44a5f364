"""Workers of a Dask cluster as Slurm jobs, for as long as a command runs: `python docs/scale/dask_slurm.py dvc repro`.

Needs `pip install dask-jobqueue` beside the extra `cluster`.
"""

import os
import subprocess
import sys

from dask_jobqueue import SLURMCluster

with SLURMCluster(
    cores=16,
    processes=1,  # each thread of a worker computes in a process of its own, on its share of the cores
    memory="64GB",
    walltime="04:00:00",
    python=sys.executable,
    # Workers end by themselves before Slurm ends them, not all at once; their chunks go to others.
    worker_extra_args=["--lifetime", "220m", "--lifetime-stagger", "10m"],
) as cluster:
    cluster.adapt(minimum_jobs=1, maximum_jobs=16)
    environment = {**os.environ, "DASK_SCHEDULER_ADDRESS": cluster.scheduler_address}
    sys.exit(subprocess.run(sys.argv[1:], env=environment, check=False).returncode)
