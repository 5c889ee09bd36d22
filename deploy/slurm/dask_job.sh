#!/bin/bash
# The client of a correlation job on Dask workers that SLURM starts: sbatch deploy/slurm/dask_job.sh
# It needs little itself. Send it again to go on where it was ended.
#SBATCH --job-name=seisloom-client
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=2
#SBATCH --mem=8G
#SBATCH --time=24:00:00
#SBATCH --output=seisloom-client-%j.log
set -euo pipefail

PROJECT=${PROJECT:-$HOME/seisloom}
JOB=${JOB:-$PWD}

# The workers are started with the same Python, which has seisloom[dask] and dask-jobqueue.
# shellcheck source=/dev/null
source "$PROJECT/.venv/bin/activate"
cd "$JOB"
exec python "$PROJECT/deploy/slurm/dask_job.py"
