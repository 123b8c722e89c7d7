"""Compares exports with what transformers and PEFT compute of them: `compare.py WORK REPORT TOOLKIT NAME...`.

`run` made the folders in WORK, with the version of the toolkit that TOOLKIT says. Writes the report only if everything
agrees; otherwise it says what does not and fails.
"""

import json
import os
import sys
from pathlib import Path

import peft
import torch
import transformers
from peft import PeftModel, get_peft_model_state_dict
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

# Both sides compute in float32 and add in another order. Before training, transformers in float32 and in float64 differ
# by up to 1.8e-5 on these models (`logits_max_abs_fp32_vs_fp64` in the fixtures' `expected.json`).
TOLERANCE = 1e-4
# Training has to change the logits by far more than the tolerance, or nobody would notice that trained weights were
# left out.
LEAST_CHANGE = 100 * TOLERANCE


class Answers:
    """Logits and continuations for every row of a request."""

    def __init__(self, logits: list[torch.Tensor], continued: list[list[int]]):
        self.logits = logits
        self.continued = continued

    def difference(self, other: "Answers") -> float:
        """The largest difference of any logit; not a number if one of them is none."""
        largest = []
        for ours, theirs in zip(self.logits, other.logits, strict=True):
            if ours.shape != theirs.shape:
                sys.exit(f"expected logits of shape {tuple(ours.shape)}, found {tuple(theirs.shape)}")
            largest.append((ours - theirs).abs().max())
        return torch.stack(largest).max().item()


def of_toolkit(file: Path) -> Answers:
    """What the program `logits` wrote."""
    tensors = load_file(file)
    rows = range(len(tensors) // 2)
    continued = [tensors[f"continued.{row}"].tolist() for row in rows]
    return Answers([tensors[f"logits.{row}"] for row in rows], continued)


@torch.no_grad()
def of_model(model: torch.nn.Module, request: dict) -> Answers:
    """Every row alone, so that nothing is padded."""
    model.eval()
    logits, continued = [], []
    new = request["new_tokens"]
    # transformers 5.24 sizes the cache by the number of encoder layers: with more decoder layers it fails.
    cached = "answers" not in request
    for number, row in enumerate(request["rows"]):
        ids = torch.tensor([row])
        if "answers" in request:
            answer = torch.tensor([request["answers"][number]])
            output = model(input_ids=ids, decoder_input_ids=answer)
        else:
            output = model(input_ids=ids)
        logits.append(output.logits[0])
        generated = model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            do_sample=False,
            use_cache=cached,
            min_new_tokens=new,
            max_new_tokens=new,
        )
        continued.append(generated[0, -new:].tolist())
    return Answers(logits, continued)


def loaded(folder: Path, request: dict) -> tuple[torch.nn.Module, list[str]]:
    """A model folder in transformers, and what it says about weights."""
    kind = AutoModelForSeq2SeqLM if "answers" in request else AutoModelForCausalLM
    model, said = kind.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    return model, [f"{key}: {sorted(map(str, found))}" for key, found in said.items() if found]


def adapted(base: torch.nn.Module, adapter: Path) -> tuple[torch.nn.Module, list[str]]:
    """An adapter in PEFT on its model, and what of its file was not taken as it stands."""
    model = PeftModel.from_pretrained(base, adapter)
    held = get_peft_model_state_dict(model)
    file = load_file(adapter / "adapter_model.safetensors")
    wrong = [f"missing: {name}" for name in sorted(held.keys() - file.keys())]
    wrong += [f"unexpected: {name}" for name in sorted(file.keys() - held.keys())]
    both = sorted(held.keys() & file.keys())
    wrong += [f"changed: {name}" for name in both if not torch.equal(held[name], file[name])]
    return model, wrong


class Table:
    """Rows of the report, and everything that does not agree."""

    def __init__(self) -> None:
        self.rows: list[str] = []
        self.wrong: list[str] = []

    def add(self, labels: list[str], theirs: Answers, ours: list[Answers], base: Answers, said: list[str]) -> None:
        """Compares what a Python library computed with each of ours."""
        difference = max(theirs.difference(one) for one in ours)
        change = theirs.difference(base)
        equal = all(theirs.continued == one.continued for one in ours)
        wrong = list(said)
        # Negated, so that what is not a number does not pass.
        if not all(theirs.difference(one) <= TOLERANCE for one in ours):
            wrong.append(f"logits differ by {difference:.1e}, expected at most {TOLERANCE:.0e}")
        if not change >= LEAST_CHANGE:
            wrong.append(f"training changed logits by {change:.1e}, expected at least {LEAST_CHANGE:.0e}")
        if not equal:
            found = [one.continued for one in ours]
            wrong.append(f"continuations differ: expected {theirs.continued}, found {found}")
        self.wrong += [", ".join(labels) + f": {one}" for one in wrong]
        cells = labels + [f"{difference:.1e}", f"{change:.2f}", "no" if said else "yes", "yes" if equal else "no"]
        self.rows.append("| " + " | ".join(cells) + " |")


def compare(table: Table, work: Path, name: str) -> None:
    """One family: what each method wrote, by each library."""
    folder = work / name
    request = json.loads((folder / "request.json").read_text())
    family = json.loads((folder / "base/config.json").read_text())["model_type"]
    base_model, said = loaded(folder / "base", request)
    table.wrong += [f"{name}: {one}" for one in said]
    base = of_model(base_model, request)
    ours = {out: of_toolkit(folder / f"{out}.safetensors") for out in ("osft", "lora", "merged")}
    for method, out, what in (
        ("osft", "osft", "exported model"),
        ("lora", "lora", "exported model"),
        ("lora", "merged", "adapter that `osft merge` merged"),
    ):
        model, said = loaded(folder / out, request)
        labels = [family, name, method, what, "transformers"]
        table.add(labels, of_model(model, request), [ours[out]], base, said)
    model, said = adapted(base_model, folder / "adapter")
    labels = [family, name, "lora", "adapter on its base model", "PEFT"]
    table.add(labels, of_model(model, request), [ours["merged"], ours["lora"]], base, said)


def main() -> None:
    work, report, toolkit, *names = sys.argv[1:]
    # What it says about generation settings is no news: the fixtures' config.json holds its defaults.
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    table = Table()
    for name in names:
        compare(table, Path(work), name)
    new = json.loads((Path(work) / names[0] / "request.json").read_text())["new_tokens"]
    head = ["family", "model", "method", "what was loaded", "by", "difference", "changed", "loads clean"]
    head.append(f"{new} tokens equal")
    lines = [
        "# Exports in transformers and PEFT",
        "",
        "Every model was trained for a few steps, exported, and loaded in Python.",
        "",
        "- `difference`: the largest one of any logit between Python and the toolkit, over rows of fixed token",
        f"  ids, in float32 on a processor; at most {TOLERANCE:.0e} passes. An adapter in PEFT is compared with the",
        "  folder that `osft merge` makes of it and with the model that the same training exports whole.",
        "- `changed`: how far training moved the logits.",
        "- `loads clean`: no weight is missing, unexpected or of another shape; PEFT holds the adapter's tensors",
        "  and no others.",
        f"- `{new} tokens equal`: the greedy continuations of both are the same.",
        "",
        f"{toolkit}, torch {torch.__version__}, transformers {transformers.__version__}, PEFT {peft.__version__};",
        "made by `tests/interop/run`.",
        "",
        "| " + " | ".join(head) + " |",
        "|---" * len(head) + "|",
        *table.rows,
    ]
    page = "\n".join(lines) + "\n"
    if table.wrong:
        print(page)
        sys.exit("\n".join(["exports and Python do not agree:"] + table.wrong))
    whole = Path(report + ".new")
    whole.write_text(page)
    os.replace(whole, report)


main()
