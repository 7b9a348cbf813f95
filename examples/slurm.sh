#!/bin/bash
# Trains on several nodes under Slurm: one torchrun a node, which starts one process a GPU.
#
#   sbatch examples/slurm.sh qwen3_vl_2b --data.root /datasets --out /runs/qwen3
#   sbatch --nodes=1 examples/slurm.sh paper --model.base timechat-7b --data.root /datasets --out /runs/a
#
# The batch of a step (optim.global_batch_size) is the same on any number of GPUs: what a process
# does not take at a time is accumulated. It has to be a multiple of the GPUs: that of `paper` is 8,
# that of `qwen3_vl_2b` 64. `vidllm train qwen3_vl_2b --dry-run --gpus 16` says how it is split and
# what a GPU has to hold. A job that Slurm stops or that loses a node is put back in the queue and
# goes on from its last checkpoint: all nodes have to see --out, keep it on a shared disk.
#SBATCH --job-name=seq2time
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=64
#SBATCH --time=48:00:00
#SBATCH --signal=TERM@300
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail

recipe=${1:?name a recipe: sbatch examples/slurm.sh RECIPE --out DIR [SETTING ...]}
shift
out=""
previous=""
for word in "$@"; do
    [[ $previous == --out ]] && out=$word
    [[ $word == --out=* ]] && out=${word#--out=}
    previous=$word
done
if [[ -z $out ]]; then
    echo "name the run folder with --out: it tells a requeued job what to continue" >&2
    exit 2
fi

if [[ -e $out/config.json ]]; then
    words=("$recipe" --resume "$out") # the run's own settings
else
    words=("$recipe" "$@")
fi
first_node=$(scontrol show hostnames "${SLURM_JOB_NODELIST:?run this with sbatch}" | sed -n 1p)

exec srun --kill-on-bad-exit=1 torchrun \
    --nnodes "$SLURM_JOB_NUM_NODES" \
    --nproc-per-node "${SLURM_GPUS_ON_NODE:-1}" \
    --rdzv-id "$SLURM_JOB_ID" \
    --rdzv-backend c10d \
    --rdzv-endpoint "$first_node:${RENDEZVOUS_PORT:-29500}" \
    -m vidllm train "${words[@]}"
