#!/usr/bin/env python3
"""Two suites that differ in the answers of one task: GSM8K's worked answers, or their results alone.

    experiments/chains/prepare.py GENERAL TRACE OUT

GENERAL holds gsm8k.jsonl (docs/evaluate.md; here rows of GSM8K's test split, so that no score of these models on GSM8K says
anything), TRACE the folders NumGLUE-cm and NumGLUE-ds. OUT gets the suites `chains` and
`answers`, each with the tasks gsm8k, NumGLUE-cm, NumGLUE-ds, and `worked.txt`: held-out questions with worked answers, on
whose loss both are compared. The rows are the first ones that have at most 680 characters.
"""
import itertools
import json
import pathlib
import re
import sys

ROWS = {"train": 240, "eval": 40, "test": 100}
# Worked answers are long to generate: so many of the test rows are answered, all are in `worked.txt`.
ANSWERED = 40
LONGEST = 680
PROMPT = "Solve the following math problem.\nQuestion:\n{}\nAnswer:"


def worked(general):
    """Rows of GSM8K as (prompt, worked answer, result), without the notes for a calculator."""
    for line in open(general / "gsm8k.jsonl"):
        row = json.loads(line)
        answer = re.sub(r"<<[^>]*>>", "", row["answer"])
        steps, result = (part.strip() for part in answer.split("####"))
        yield PROMPT.format(row["question"]), f" {steps} The answer is {result}".replace("\n", " "), f" {result}"


def divided(rows):
    """Rows one after another, by split."""
    if len(rows) < sum(ROWS.values()):
        sys.exit(f"{len(rows)} short rows, {sum(ROWS.values())} are needed")
    rows = iter(rows)
    return {split: list(itertools.islice(rows, count)) for split, count in ROWS.items()}


def numglue(folder):
    """The first rows of every split that are short enough, with the answer one blank behind the prompt."""
    splits = {}
    for split, count in ROWS.items():
        rows = json.load(open(folder / f"{split}.json"))
        rows = [row for row in rows if len(row["prompt"]) <= LONGEST][:count]
        splits[split] = [pair(row["prompt"], f" {row['answer'].strip()}") for row in rows]
    return splits


def pair(prompt, answer):
    return {"prompt": prompt, "answer": answer}


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2) + "\n")


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    general, trace, out = map(pathlib.Path, sys.argv[1:])
    gsm8k = divided([row for row in worked(general) if len(row[0] + row[1]) <= LONGEST])
    after = {name: numglue(trace / name) for name in ("NumGLUE-cm", "NumGLUE-ds")}
    for suite, which in ("chains", 1), ("answers", 2):
        answered = {split: [pair(row[0], row[which]) for row in rows] for split, rows in gsm8k.items()}
        answered["test"] = answered["test"][:ANSWERED]
        tasks = {"gsm8k": answered, **after}
        described = [
            {"name": "gsm8k", "score": "rouge_l", "max_new_tokens": 160 if suite == "chains" else 12},
            *({"name": name, "score": "accuracy", "max_new_tokens": 12} for name in after),
        ]
        (out / suite).mkdir(parents=True, exist_ok=True)
        description = {"name": f"arithmetic with {suite}", "tasks": described, "orders": [list(tasks)]}
        write(out / suite / "suite.json", description)
        for name, splits in tasks.items():
            for split, rows in splits.items():
                write(out / suite / name / f"{split}.json", rows)
    lines = [(prompt + answer).replace("\n", " ") for prompt, answer, _ in gsm8k["test"]]
    (out / "worked.txt").write_text("\n".join(lines) + "\n")


main()
