#!/bin/bash
# A correlation job as a SLURM job array, without a scheduler of its own: sbatch deploy/slurm/array.sh
# Send it again as it is, or only some of its tasks (sbatch --array=7,12 ...), to complete what failed.
#SBATCH --job-name=seisloom
#SBATCH --array=1-50
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=4
#SBATCH --mem=10G
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --output=seisloom-%A_%a.log
set -euo pipefail

# The number of slices stands here and not in SLURM_ARRAY_TASK_COUNT, which is less when some are sent again.
SLICES=50
PROJECT=${PROJECT:-$HOME/seisloom}
JOB=${JOB:-$PWD}        # holds stations.csv and params.csv; on a disk that all nodes share
OUT=${OUT:-$JOB/out}    # or s3://bucket/prefix

# shellcheck source=/dev/null
source "$PROJECT/.venv/bin/activate"
cd "$JOB"
srun seisloom correlate stations.csv params.csv \
    --source s3:scedc --start 2019-01-01 --end 2019-12-31 --out "$OUT" \
    --slice "$SLURM_ARRAY_TASK_ID/$SLICES" --workers "$SLURM_CPUS_PER_TASK" --memory 6
