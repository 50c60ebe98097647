#!/bin/bash
# A sweep on a Slurm allocation: one head, a node per host, and `farm run` beside the head.
#
#   sbatch --nodes=4 --time=08:00:00 deploy/slurm.sh reshard --out /shared/my-sweep
#
# The arguments are those of `farm run`, but for the cards and the address.  Variables:
#   SWEEPFARM_DEVICE   device kind and, if not all, how many cards of each host: cpu, sim:4 (cpu)
#   SWEEPFARM_LISTEN   address that the head listens on (auto)
#   SWEEPFARM_COMMAND  the farm to use (farm)
#   SWEEPFARM_TLS      folder with tls.crt, tls.key and ca.crt (no TLS)
# The token is in ~/.ray/auth_token, which every host must see.  At the time limit, at `scancel
# --batch --signal=TERM` and at preemption the chunks in hand are finished and committed; the same
# command goes on where it stopped.
#SBATCH --job-name=sweepfarm
#SBATCH --ntasks-per-node=1
#SBATCH --signal=B:TERM@180
set -euo pipefail

farm=${SWEEPFARM_COMMAND:-farm}
device=${SWEEPFARM_DEVICE:-cpu}
if [ -n "${SWEEPFARM_TLS:-}" ]; then
    export RAY_USE_TLS=1 RAY_TLS_SERVER_CERT=$SWEEPFARM_TLS/tls.crt
    export RAY_TLS_SERVER_KEY=$SWEEPFARM_TLS/tls.key RAY_TLS_CA_CERT=$SWEEPFARM_TLS/ca.crt
fi
mapfile -t hosts < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${hosts[0]}
port=$((20000 + SLURM_JOB_ID % 20000)) # another job of this user may have a head on this host

steps=()
run=
# shellcheck disable=SC2329 # the trap calls it
finish() {
    if [ -n "$run" ]; then
        kill -TERM "$run" 2>/dev/null || true # finishes the chunks in hand
    fi
}
trap finish TERM INT

srun --overlap --nodes=1 --ntasks=1 --nodelist="$head" \
    "$farm" node --head --listen "${SWEEPFARM_LISTEN:-auto}" --port "$port" --device "$device" &
steps+=($!)
if [ "$SLURM_NNODES" -gt 1 ]; then
    srun --overlap --nodes=$((SLURM_NNODES - 1)) --ntasks-per-node=1 --exclude="$head" \
        "$farm" node --address "$head:$port" --wait 120 --device "$device" &
    steps+=($!)
fi

# The script runs on the first host, beside the head.
for _ in $(seq 120); do
    if (exec 3<>"/dev/tcp/$head/$port") 2>/dev/null; then break; fi
    sleep 1
done
"$farm" run "$@" --device "${device%%:*}" --address "$head:$port" &
run=$!
code=0
wait "$run" || code=$?
while kill -0 "$run" 2>/dev/null; do # a signal ended the wait, not the run
    code=0
    wait "$run" || code=$?
done
kill -TERM "${steps[@]}" 2>/dev/null || true
wait "${steps[@]}" || true
exit "$code"
