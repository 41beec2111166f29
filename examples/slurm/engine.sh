#!/bin/bash
#SBATCH --job-name=pytest-sandbox
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=8
#SBATCH --mem=16G
#SBATCH --time=01:00:00
# Serves sandboxes of the node that this job has, until the job ends. The address goes to a file in
# the home, which the nodes share: `run-tests` reads it.
set -euo pipefail
umask 077  # whoever reads the address can use the engine

folder=$HOME/.pytest-sandbox
address=$folder/$SLURM_JOB_ID
mkdir -p "$folder"
trap 'rm -f "$address"' EXIT

pytest-sandbox serve --listen :0 | while read -r printed; do
    # The cluster knows the node by this name, whatever the node calls itself.
    printf '%s\n' "${printed/@*:/@$SLURMD_NODENAME:}" > "$address.new"
    mv "$address.new" "$address"  # nobody reads half of it
done
