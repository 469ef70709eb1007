#!/usr/bin/env bash
# Trains on several machines under Slurm: sbatch scripts/slurm/train.sh CONFIG [key=value ...]
#
# One task per GPU; srun tells each its place, no torchrun is needed. Two minutes before its time is up
# the job is told to stop: it saves, leaves with status 75, and is queued again to go on.
#
#SBATCH --job-name=nalaformer
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=8
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=12
#SBATCH --time=24:00:00
#SBATCH --signal=USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=slurm-%j.log
set -uo pipefail

if (($# < 1)); then
  echo "usage: sbatch scripts/slurm/train.sh CONFIG [key=value ...]" >&2
  exit 2
fi

readonly kProgram="${NALA_PROGRAM:-build/release/nalaformer}"
export OMP_NUM_THREADS="${SLURM_CPUS_PER_TASK:-1}"

# The signal goes to the tasks, not to this script. A task leaves with 75 once all have saved.
srun --kill-on-bad-exit=1 "$kProgram" train "$@"
status=$?

if ((status == 75)); then
  echo "saved; queued again"
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
