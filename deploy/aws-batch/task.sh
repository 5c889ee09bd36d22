#!/bin/bash
# One task of an AWS Batch array job: the slice that its index stands for. The image is that of deploy/Dockerfile.
set -euo pipefail
: "${WORKSPACE:?s3://bucket/prefix of the result}" "${INPUTS:?s3://bucket/prefix of stations.csv and params.csv}"
: "${START:?first day}" "${END:?last day}" "${SLICES:?size of the array}"

# Batch counts from 0; an array of one has no index.
number=$((${AWS_BATCH_JOB_ARRAY_INDEX:-0} + 1))
python - "$INPUTS" stations.csv params.csv <<'PY'
import sys
from pathlib import Path

from seisloom.storage import Storage

inputs = Storage(sys.argv[1])
for name in sys.argv[2:]:
    data = inputs.get(name)
    if data is None:
        sys.exit(f"{sys.argv[1]}/{name}: not there")
    Path(name).write_bytes(data)
PY
exec seisloom correlate stations.csv params.csv --source "${SOURCE:-s3:scedc}" --start "$START" --end "$END" \
    --out "$WORKSPACE" --slice "$number/$SLICES" --memory "${MEMORY_GB:-6}"
