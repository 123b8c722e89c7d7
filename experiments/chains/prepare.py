#!/usr/bin/env python3
"""Two suites that differ in the answers of one task: GSM8K's worked answers, or their results alone.

    experiments/chains/prepare.py GENERAL TRACE OUT

GENERAL holds gsm8k.jsonl (docs/evaluate.md), TRACE the folders NumGLUE-cm and NumGLUE-ds. OUT gets the suites `chains` and
`answers`, each with the tasks gsm8k, NumGLUE-cm, NumGLUE-ds, and `worked.txt`: held-out questions with worked answers, on
whose loss both are compared. The rows are the first ones that have at most 680 characters.
"""
import json
import pathlib
import re
import sys

ROWS = {"train": 240, "eval": 40, "test": 100}
LONGEST = 680
PROMPT = "Solve the following math problem.\nQuestion:\n{}\nAnswer:"


def gsm8k(general):
    """Rows as (prompt, worked answer, result), without the notes for a calculator."""
    for line in open(general / "gsm8k.jsonl"):
        row = json.loads(line)
        worked = re.sub(r"<<[^>]*>>", "", row["answer"])
        worked, result = (part.strip() for part in worked.split("####"))
        yield PROMPT.format(row["question"]), f" {worked} The answer is {result}".replace("\n", " "), f" {result}"


def parts(rows):
    rows = list(rows)
    if len(rows) < sum(ROWS.values()):
        sys.exit(f"{len(rows)} short rows, {sum(ROWS.values())} are needed")
    start = 0
    for split, count in ROWS.items():
        yield split, rows[start : start + count]
        start += count


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    general, trace, out = map(pathlib.Path, sys.argv[1:])
    rows_of_gsm8k = [row for row in gsm8k(general) if len(row[0] + row[1]) <= LONGEST]
    tasks = {"gsm8k": None, "NumGLUE-cm": trace, "NumGLUE-ds": trace}
    for suite, which in ("chains", 1), ("answers", 2):
        folder = out / suite
        folder.mkdir(parents=True)
        described = [
            {"name": "gsm8k", "score": "rouge_l", "max_new_tokens": 160 if suite == "chains" else 12},
            {"name": "NumGLUE-cm", "score": "accuracy", "max_new_tokens": 12},
            {"name": "NumGLUE-ds", "score": "accuracy", "max_new_tokens": 12},
        ]
        description = {"name": f"arithmetic with {suite}", "tasks": described, "orders": [list(tasks)]}
        (folder / "suite.json").write_text(json.dumps(description, indent=2) + "\n")
        for name, source in tasks.items():
            (folder / name).mkdir()
            if source is None:
                splits = parts({"prompt": row[0], "answer": row[which]} for row in rows_of_gsm8k)
            else:
                splits = (
                    (split, short(json.load(open(source / name / f"{split}.json")), count))
                    for split, count in ROWS.items()
                )
            for split, rows in splits:
                (folder / name / f"{split}.json").write_text(json.dumps(rows, indent=2) + "\n")
    held_out = dict(parts(rows_of_gsm8k))["test"]
    lines = [(prompt + worked).replace("\n", " ") for prompt, worked, _ in held_out]
    (out / "worked.txt").write_text("\n".join(lines) + "\n")


def short(rows, count):
    """The first rows that are short enough, with the answer one blank behind the prompt."""
    fit = [
        {"prompt": row["prompt"], "answer": f" {row['answer'].strip()}"}
        for row in rows
        if len(row["prompt"]) <= LONGEST
    ]
    return fit[:count]


main()
