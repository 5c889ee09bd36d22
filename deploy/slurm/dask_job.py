"""Start Dask workers as SLURM jobs (pip install dask-jobqueue), and correlate on them.

For PBS, LSF or SGE take PBSCluster, LSFCluster or SGECluster in place of SLURMCluster.
"""

from __future__ import annotations

import subprocess
import sys

from dask_jobqueue import SLURMCluster

THREADS = 4  # of a task; a worker does one at a time
MEMORY_GB = 6  # for the spectra of a day; the worker gets more, as the program needs some itself
WORKERS = 50


def workers() -> SLURMCluster:
    """Workers of one Dask thread each, with as many cores as a task has threads."""
    return SLURMCluster(
        queue="normal",
        walltime="04:00:00",
        processes=1,
        cores=1,
        job_cpu=THREADS,
        memory=f"{2 * MEMORY_GB} GB",
        # Ends a worker before SLURM does, so that it takes on no day that it could not finish.
        worker_extra_args=["--lifetime", "225m", "--lifetime-stagger", "10m"],
        log_directory="dask-logs",
    )


if __name__ == "__main__":
    with workers() as cluster:
        cluster.adapt(minimum_jobs=1, maximum_jobs=WORKERS)
        command = [
            "seisloom", "correlate", "stations.csv", "params.csv", "--source", "s3:scedc", "--start", "2019-01-01",
            "--end", "2019-12-31", "--out", "out", "--compute", f"dask={cluster.scheduler_address}",
            "--threads", str(THREADS), "--memory", str(MEMORY_GB),
        ]  # fmt: skip
        sys.exit(subprocess.run(command).returncode)
