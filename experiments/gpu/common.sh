# Sourced by the scripts of this folder. Sets:
#   experiments  the program: $EXPERIMENTS, or target/release/experiments
#   out          the folder of results: $OUT, or results/gpu
#   backend      cuda; flex with DRY_RUN=1, which rehearses every command on the processor in its smallest size
#   dry          1 if this is a rehearsal
#   peers        arguments of `bench` for the programs that `peer` added
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
experiments=${EXPERIMENTS:-target/release/experiments}
out=${OUT:-results/gpu}
dry=${DRY_RUN:-0}
backend=cuda
[ "$dry" = 1 ] && backend=flex
peers=()
mkdir -p "$out"
if [ "$dry" != 1 ]; then
  # NVRTC and its headers come with the toolkit.
  export CUDA_PATH=${CUDA_PATH:-/usr/local/cuda}
  export LD_LIBRARY_PATH=$CUDA_PATH/lib64${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
  nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv | tee "$out/card.csv"
  # A build with `autotune` tries some thirty kernels for every new size of a matrix product, and NVRTC compiles each in half a second or
  # more. With sizes rounded coarsely there are fewer sizes. The program keeps what was compiled and chosen.
  export CUBECL_AUTOTUNE_LEVEL=minimal
fi

# peer NAME METHOD…: adds PyTorch (results/bench/peers.py METHOD…) to `peers`. What cannot do one small step here, or
# has no torch, transformers and peft, is left out with a word and does not end the others.
peer() {
  local name=$1 said
  shift
  local order="{\"shape\": \"llama-64x1\", \"tokens\": 128, \"backend\": \"$backend\"}"
  if said=$(echo | timeout 90 python3 results/bench/peers.py "$@" --worker "$order" 2>&1); then
    peers+=(--peer "$name=python3 results/bench/peers.py $*")
  else
    echo "left out: $name: ${said##*$'\n'}"
  fi
}
