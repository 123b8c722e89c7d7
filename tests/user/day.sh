#!/usr/bin/env bash
# An engineer's day, as docs/finetune.md tells it: check, plan, finetune on 200 rows, finetune on other rows from the
# output, generate. With the built-in model, or with a model and two files of rows of one's own:
#
#     tests/user/day.sh [MODEL TASK-1.jsonl TASK-2.jsonl [OUT]]
set -euo pipefail
cd "$(dirname "$0")/../.."

osft() { "${OSFT:-target/release/osft}" "$@"; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
model=${1:-datasets/builtin/model}
out=${4:-$work/out}

# 200 rows of two tasks of the built-in suite, as JSONL.
rows() {
  python3 - "$1" <<'PY'
import json, sys
for row in json.load(open(f"datasets/builtin/suite/{sys.argv[1]}/train.json"))[:200]:
    print(json.dumps({"prompt": row["prompt"], "answer": row["answer"]}))
PY
}
first=${2:-$work/tone.jsonl}
second=${3:-$work/choice.jsonl}
[ -n "${2:-}" ] || rows tone >"$first"
[ -n "${3:-}" ] || rows choice >"$second"

mkdir -p "$out"
osft check --model "$model" --data "$first"
osft plan --model "$model" --data "$first" --epochs 2
osft finetune --model "$model" --data "$first" --out "$out/first" --epochs 2
osft finetune --model "$out/first" --data "$second" --out "$out/second" --epochs 2
osft generate --model "$out/second" --prompt 'Tone of the bank: A dovish, B hawkish, C neutral.' --max-new-tokens 8

# The card names both tasks, and the state protects both.
grep -q 'What was gained and what was lost' "$out/second/README.md"
[ "$(grep -c '"rows_sha256"' "$out/second/osft/state.json")" = 2 ]
ls "$out/second"
