# Sourced by the scripts of this folder. Sets:
#   experiments  the program: $EXPERIMENTS, or the CUDA build's
#   out          the folder of results: $OUT, or results/gpu
#   backend      cuda; flex with DRY_RUN=1, which rehearses every command on the processor in its smallest size
#   dry          1 if this is a rehearsal
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
experiments=${EXPERIMENTS:-target/cuda/experiments}
out=${OUT:-results/gpu}
dry=${DRY_RUN:-0}
backend=cuda
[ "$dry" = 1 ] && backend=flex
mkdir -p "$out"
if [ "$dry" != 1 ]; then
  # NVRTC and its headers come with the toolkit.
  export CUDA_PATH=${CUDA_PATH:-/usr/local/cuda}
  export LD_LIBRARY_PATH=$CUDA_PATH/lib64${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
  nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv | tee "$out/card.csv"
  # Burn tries some thirty kernels for every new size of a matrix product, and NVRTC compiles each in half a second or
  # more. With sizes rounded coarsely there are fewer, and what was compiled and chosen is kept in target/environment.
  export CUBECL_AUTOTUNE_LEVEL=minimal
  [ -e cubecl.toml ] || printf '[compilation]\ncache = true\n' >cubecl.toml
fi
