#!/bin/bash
# A year in an AWS Batch array of 50, in the region of the records (those of SCEDC are in us-west-2).
# Submit it again to complete what failed: days that are done are not done again.
set -euo pipefail
SLICES=50
aws batch register-job-definition --cli-input-json file://job-definition.json
aws batch submit-job --job-name seisloom --job-queue "${QUEUE:-seisloom}" --job-definition seisloom \
    --array-properties "size=$SLICES" \
    --container-overrides "environment=[{name=WORKSPACE,value=s3://bucket/result},{name=INPUTS,value=s3://bucket/inputs},
{name=SLICES,value=$SLICES},{name=START,value=2019-01-01},{name=END,value=2019-12-31},{name=AWS_REGION,value=us-west-2}]"
