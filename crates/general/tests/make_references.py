"""Writes references.json: prompts and scores of the two protocols' own code, on made-up rows.

    pip install lm_eval==0.4.13
    pip install --no-deps opencompass==0.1.7
    python make_references.py

lm-evaluation-harness runs as it is, with rows of our own in place of its data sets. Of OpenCompass
0.1.7 (October 2023) the prompt templates, retrievers, the parser of turns, post-processors and
evaluators run; its package does not hold the configurations, so their templates are written here,
and what it imports beside is replaced by empty modules. Rows, examples and outputs are our own.
"""

import importlib
import json
import pathlib
import random
import sys
import types

import datasets
import lm_eval
import yaml
from lm_eval.api.metrics import mean_stderr, pooled_sample_stderr
from lm_eval.api.task import ConfigurableTask

RANDOM = random.Random(0)
WORDS = ["alpha", "Beta", " gamma ", "{{x}}", "{ y }", "naïve", "日本", "$5", "1,200", "Q", "line\nbreak", "\t",
         "..."]
LEADS = ["", "#### ", "The answer is ", "So the answer is ", "\n\nso answer is "]
PIECES = ["5", "1,234", "-3", "0.5", "12", "7.", "$7", "m²", "#### ", "the answer is ", "answer is ", "(A)", "(B)", "Yes",
          "A word", ".", "\n", "\n\n", " ", " so ", "Question: 9", "", "é"]
CUE = "A: Let's think step by step."


def text(most=6):
    return " ".join(RANDOM.choice(WORDS) for _ in range(RANDOM.randint(1, most)))


def outputs(right):
    """For each right answer a lead, then that answer or another, then anything."""
    anything = lambda most: "".join(RANDOM.choice(PIECES) for _ in range(RANDOM.randint(0, most)))
    return [RANDOM.choice(LEADS) + RANDOM.choice([one, anything(2)]) + RANDOM.choice(["", ".", ".\n", anything(3)])
            for one in right]


def lines(rows):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def likelihoods(rows, choices):
    """Whole numbers, so that some are equal."""
    return [[-float(RANDOM.randint(1, 6)) for _ in range(choices)] for _ in range(rows)]


# The rows of both protocols.

PIQA = [{"goal": text(), "sol1": text(), "sol2": text(9), "label": RANDOM.randint(0, 1)} for _ in range(30)]
BOOLQ = [{"question": text(), "passage": text(), "answer": RANDOM.random() < 0.5} for _ in range(30)]
SUBJECTS = ["college_physics", "virology"]
LETTERS = "ABCD"
mmlu_row = lambda subject: {"subject": subject, "question": text(), "choices": [text(3) for _ in range(4)],
                            "answer": RANDOM.choice(LETTERS)}
MMLU = [mmlu_row(subject) for subject, count in zip(SUBJECTS, (12, 18)) for _ in range(count)]
MMLU_EXAMPLES = [mmlu_row(subject) for subject in SUBJECTS for _ in range(6)]
NUMBERS = ["5", "1,234", "-3", "12", "7"]
gsm8k_row = lambda: {"question": text(), "answer": text(3) + "\n#### " + RANDOM.choice(NUMBERS)}
GSM8K = [gsm8k_row() for _ in range(60)]
GSM8K_RIGHT = [row["answer"].split("#### ")[-1] for row in GSM8K]
GSM8K_EXAMPLES = [gsm8k_row() for _ in range(30)]
TURNS = [{"user": f"Question: {text()}\nLet's think step by step\nAnswer:", "assistant": text() + "\n"}
         for _ in range(4)]

# Description, examples of question and answer, and what follows the cue in the published files.
TASKS = {
    "hyperbaton": ("Choose.", [(text(), text() + " So the answer is (A).") for _ in range(3)], "\n"),
    "navigate": ("Go.", [(text(), text() + " So the answer is Yes.") for _ in range(3)], "\n"),
    "sports_understanding": ("Judge.", [(text(), text() + " So the answer is no.") for _ in range(3)], " "),
}
TARGETS = {"hyperbaton": ["(A)", "(B)"], "navigate": ["Yes", "5"], "sports_understanding": ["yes", "no"]}
bbh_row = lambda task: {"task": task, "input": text(), "target": RANDOM.choice(TARGETS[task])}
BBH = [bbh_row(task) for task, count in zip(TASKS, (25, 20, 15)) for _ in range(count)]


def hint(task):
    description, examples, space = TASKS[task]
    return "\n\n".join([description] + [f"Q: {question}\n{CUE}{space}{answer}" for question, answer in examples])


FRAMES = {
    "english": {"instruction": "Do.", "passage": "Passage:", "question": "Question:", "answer": "Answer:"},
    "japanese": {"instruction": "質問。", "passage": "ぶんしょう:", "question": "しつもん:", "answer": "かいとう:"},
}
ANSWERS = ["In 1922", "the café.", "a b b", "文化 庁", "x ক্তি"]
tydiqa_row = lambda language: {"language": language, "question": text(), "context": text(),
                               "answers": RANDOM.sample(ANSWERS, RANDOM.randint(1, 2))}
TYDIQA = [tydiqa_row(language) for language, count in zip(FRAMES, (20, 10)) for _ in range(count)]

FILES = {
    "piqa": {"piqa.jsonl": lines(PIQA)},
    "boolq": {"boolq.jsonl": lines(BOOLQ)},
    "mmlu": {"mmlu.jsonl": lines(MMLU), "mmlu_fewshot.jsonl": lines(MMLU_EXAMPLES)},
    "gsm8k": {"gsm8k.jsonl": lines(GSM8K), "gsm8k_fewshot.jsonl": lines(GSM8K_EXAMPLES),
              "prompts/gsm8k_trace.json": json.dumps(TURNS)},
    "bbh": {"bbh.jsonl": lines(BBH)} | {f"prompts/bbh/{task}.txt": hint(task) for task in TASKS},
    "tydiqa": {"tydiqa.jsonl": lines(TYDIQA), "prompts/tydiqa_trace.json": json.dumps(FRAMES)},
}
CASES = []


def case(suite, protocol, prompts, responses, measures):
    """Prompts are whole texts; for choices, one list for each row. Every fifth is kept."""
    CASES.append({"suite": suite, "protocol": protocol, "files": FILES[suite], "prompts": prompts[::5],
                  "responses": responses, "measures": measures})


# lm-evaluation-harness.

def harness_task(path, splits, **changes):
    folder = (pathlib.Path(lm_eval.__file__).parent / "tasks" / path).parent
    config = yaml.load((folder / pathlib.Path(path).name).read_text(), Loader=yaml.SafeLoader)
    if "include" in config:
        config = yaml.load((folder / config.pop("include")).read_text(), Loader=yaml.SafeLoader) | config
    for key in ("dataset_path", "dataset_name", "tag", "task_alias"):
        config.pop(key, None)
    sets = {name: datasets.Dataset.from_list(rows) for name, rows in splits.items()}
    task = ConfigurableTask(config=config | changes | {"custom_dataset": lambda **_: sets})
    task.set_fewshot_seed(1234)
    task.build_all_requests(rank=0, world_size=1, cache_requests=False, rewrite_requests_cache=False)
    return task


def harness_run(task, responses):
    """Prompts and values by measure and filter, row by row."""
    rows = {}
    for instance in task.instances:
        rows.setdefault(instance.doc_id, []).append(instance)
    generates = task.OUTPUT_TYPE == "generate_until"
    for row, response in zip(rows.values(), responses):
        for instance in row:
            answer = response
            if generates:  # As the harness's model classes do.
                for stop in instance.args[1]["until"]:
                    answer = answer.split(stop)[0]
            instance.resps = [answer if generates else (answer[instance.idx], False)]
    task.apply_filters()
    prompts = [row[0].args[0] if generates else ["".join(one.args) for one in row]
               for row in rows.values()]
    values = {}
    for name in task.instances[0].filtered_resps:
        for row in rows.values():
            results = task.process_results(row[0].doc, [one.filtered_resps[name] for one in row])
            for metric, value in results.items():
                key = metric if name == "none" else f"{metric},{name}"
                values.setdefault(key, []).append(100.0 * value)
    return prompts, values


def harness_case(suite, parts):
    """Parts are tasks with their responses: several make a group that is weighted by size."""
    prompts, responses, values = [], [], {}
    for task, given in parts:
        found, measured = harness_run(task, given)
        prompts += found
        responses += given
        for name, one in measured.items():
            values.setdefault(name, []).append(one)
    measures = {}
    for name, groups in values.items():
        rows = [value for group in groups for value in group]
        errors, sizes = [mean_stderr(group) for group in groups], [len(group) for group in groups]
        error = errors[0] if len(groups) == 1 else float(pooled_sample_stderr(errors, sizes))
        measures[name] = {"values": rows, "mean": sum(rows) / len(rows), "standard_error": error}
    case(suite, "lm-eval", prompts, responses, measures)


def harness():
    task = harness_task("piqa/piqa.yaml", {"validation": PIQA, "train": PIQA})
    harness_case("piqa", [(task, likelihoods(30, 2))])
    rows = [{**row, "label": int(row["answer"])} for row in BOOLQ]
    task = harness_task("super_glue/boolq/default.yaml", {"validation": rows, "train": rows})
    harness_case("boolq", [(task, likelihoods(30, 2))])
    number = lambda rows, subject: [{**row, "answer": LETTERS.index(row["answer"])}
                                    for row in rows if row["subject"] == subject]
    parts = []
    for subject in SUBJECTS:
        splits = {"test": number(MMLU, subject), "dev": number(MMLU_EXAMPLES, subject)}
        task = harness_task(f"mmlu/default/mmlu_{subject}.yaml", splits, num_fewshot=5)
        parts.append((task, likelihoods(len(splits["test"]), 4)))
    harness_case("mmlu", parts)
    task = harness_task("gsm8k/gsm8k.yaml", {"test": GSM8K, "train": GSM8K_EXAMPLES})
    harness_case("gsm8k", [(task, outputs(GSM8K_RIGHT))])
    parts = []
    for name, (description, examples, _) in TASKS.items():
        rows = [row for row in BBH if row["task"] == name]
        samples = [{"input": question, "target": answer} for question, answer in examples]
        task = harness_task(f"bbh/cot_fewshot/{name}.yaml", {"test": rows}, description=description + "\n\n",
                            fewshot_config={"sampler": "first_n", "samples": samples})
        parts.append((task, outputs([row["target"] for row in rows])))
    harness_case("bbh", parts)


# OpenCompass.

class Anything:
    """Stands for what is imported and not used here; as a decorator, it changes nothing."""

    def __init__(self, *_, **__):
        pass

    def register_module(self, *_, **__):
        return lambda item: item


def empty(name, **content):
    module = types.ModuleType(name)
    module.__dict__.update(content)
    if "__path__" not in content:
        module.__getattr__ = lambda attribute: Anything
    sys.modules[name] = module
    return module


def opencompass():
    """Imports the files that are needed, without their packages, which import all the others."""
    root = pathlib.Path(importlib.util.find_spec("opencompass").origin).parent
    for name in ("mmengine", "mmengine.config", "mmengine.dist", "torch"):
        empty(name)
    sys.modules["mmengine.dist"].is_main_process = lambda: True
    names = ("ICL_PROMPT_TEMPLATES", "ICL_RETRIEVERS", "LOAD_DATASET", "TEXT_POSTPROCESSORS", "ICL_EVALUATORS")
    empty("opencompass.registry", **{name: Anything() for name in names})
    base = {"BaseEvaluator": type("BaseEvaluator", (), {})}
    packages = {"": {}, "utils": {}, "models": {}, "datasets": {}, "openicl": base, "openicl.utils": {},
                "openicl.icl_retriever": {}, "openicl.icl_evaluator": base}
    for name, content in packages.items():
        parts = [part for part in ("opencompass", name) if part]
        empty(".".join(parts), __path__=[str(root.joinpath(*name.split(".")))], **content)
    empty("opencompass.datasets.base", BaseDataset=object)
    empty("opencompass.utils.logging")
    empty("opencompass.openicl.utils.logging")
    load = lambda name: importlib.import_module(f"opencompass.{name}")
    sys.modules["opencompass.utils"].PromptList = load("utils.prompt").PromptList
    load("utils.text_postprocessors")
    template = load("openicl.icl_prompt_template").PromptTemplate
    retriever = load("openicl.icl_retriever.icl_base_retriever").BaseRetriever
    sys.modules["opencompass.openicl.icl_retriever"].BaseRetriever = retriever
    fixed = load("openicl.icl_retriever.icl_fix_k_retriever").FixKRetriever
    zero = load("openicl.icl_retriever.icl_zero_retriever").ZeroRetriever
    parser = load("models.base").LMTemplateParser(None)
    return template, fixed, zero, parser, load("datasets.gsm8k"), load("datasets.bbh"), load("datasets.tydiqa")


def compass():
    template, fixed, zero, parser, gsm8k, bbh, tydiqa = opencompass()
    reader = types.SimpleNamespace

    def whole_texts(prompt, labels, rows, examples=(), shown=None):
        data = reader(reader=reader(output_column="target"), test=rows, train=examples)
        found = fixed(data, [0, 1, 2, 3, 4]) if shown else zero(data)
        texts = []
        for index, chosen in enumerate(found.retrieve()):
            block = found.generate_ice(chosen, ice_template=shown)
            with_label = lambda label: found.generate_label_prompt(
                index, block, label, ice_template=shown, prompt_template=prompt)
            texts.append([parser.parse_template(with_label(label), mode="ppl") for label in labels])
        return texts

    def starts(prompt, column, rows):
        found = zero(reader(reader=reader(output_column=column), test=rows, train=()))
        of = lambda index: found.generate_prompt_for_generate_task(
            index, "", ice_template=None, prompt_template=prompt)
        return [parser.parse_template(of(index), mode="gen") for index in range(len(rows))]

    def measured(values, groups):
        by_group = {}
        for value, group in zip(values, groups):
            by_group.setdefault(group, []).append(value)
        means = [sum(of) / len(of) for of in by_group.values()]
        return {"values": values, "mean": sum(means) / len(means)}

    def choose(suite, prompts, right, groups):
        """The lowest loss per token; here all texts have the same number of tokens."""
        of = likelihoods(len(prompts), len(prompts[0]))
        losses = [[-one for one in row] for row in of]
        values = [100.0 * (row.index(min(row)) == gold) for row, gold in zip(losses, right)]
        case(suite, "trace", prompts, of, {"accuracy": measured(values, groups)})

    sense = "The following makes sense: \nQ: {goal}\nA: "
    texts = whole_texts(template({0: sense + "{sol1}\n", 1: sense + "{sol2}\n"}), [0, 1], PIQA)
    choose("piqa", texts, [row["label"] for row in PIQA], ["piqa"] * 30)

    turn = lambda role, content: {"role": role, "prompt": content}
    asked = turn("HUMAN", "{passage}\nQuestion: {question}?")
    rounds = {label: {"round": [asked, turn("BOT", answer)]} for label, answer in enumerate(["No", "Yes"])}
    texts = whole_texts(template(rounds), [0, 1], BOOLQ)
    choose("boolq", texts, [int(row["answer"]) for row in BOOLQ], ["boolq"] * 30)

    texts = []
    named = lambda row: {"input": row["question"], "target": row["answer"]} | dict(zip(LETTERS, row["choices"]))
    body = "{input}\nA. {A}\nB. {B}\nC. {C}\nD. {D}\nAnswer: "
    for subject in SUBJECTS:
        head = f"The following are multiple choice questions (with answers) about  {subject.replace('_', ' ')}.\n\n"
        prompt = template({letter: f"{head}</E>{body}{letter}" for letter in LETTERS}, ice_token="</E>")
        shown = template({letter: f"{body}{letter}\n" for letter in LETTERS})
        rows, examples = ([named(row) for row in rows if row["subject"] == subject]
                          for rows in (MMLU, MMLU_EXAMPLES))
        texts += whole_texts(prompt, LETTERS, rows, examples, shown)
    choose("mmlu", texts, [LETTERS.index(row["answer"]) for row in MMLU], [row["subject"] for row in MMLU])

    rounds = [turn(role, one[key]) for one in TURNS for role, key in (("HUMAN", "user"), ("BOT", "assistant"))]
    rounds.append(turn("HUMAN", "Question: {question}\nLet's think step by step\nAnswer:"))
    given = outputs(GSM8K_RIGHT)
    found = [gsm8k.gsm8k_postprocess(answer) for answer in given]
    gold = [gsm8k.gsm8k_dataset_postprocess(row["answer"]) for row in GSM8K]
    values = [100.0 * (one == right) for one, right in zip(found, gold)]
    prompts = starts(template({"round": rounds}), "answer", GSM8K)
    case("gsm8k", "trace", prompts, given, {"accuracy": measured(values, ["gsm8k"] * 60)})

    prompts, given, values = [], outputs([row["target"] for row in BBH]), []
    for name in TASKS:
        asked = f"Follow the given examples and answer the question.\n{hint(name)}\n\nQ: {{input}}\n{CUE}"
        rows = [row for row in BBH if row["task"] == name]
        prompts += starts(template({"round": [turn("HUMAN", asked)]}), "target", rows)
    for answer, row in zip(given, BBH):
        if row["task"] == "hyperbaton":
            right = bbh.bbh_mcq_postprocess(answer) == bbh.bbh_mcq_postprocess(row["target"])
        else:
            right = bbh.bbh_freeform_postprocess(answer) == row["target"]
        values.append(100.0 * right)
    case("bbh", "trace", prompts, given, {"accuracy": measured(values, [row["task"] for row in BBH])})

    prompts, given = [], []
    for name, frame in FRAMES.items():
        rows = [{"passage_text": row["context"], "question_text": row["question"], "answer": row["answers"]}
                for row in TYDIQA if row["language"] == name]
        words = "{instruction}\n\n</E>{passage}{{passage_text}}\n{question} {{question_text}}\n{answer} {{answer}}".format(**frame)
        prompts += starts(template(words, ice_token="</E>"), "answer", rows)
    for row in TYDIQA:
        answer = RANDOM.choice(row["answers"])
        lower = answer.lower()
        given.append(RANDOM.choice([answer, lower, answer + "\nmore", "It is " + lower, lower.split()[0], ""]))
    scored = [tydiqa.TydiQAEvaluator().score([answer], [row["answers"]]) for answer, row in zip(given, TYDIQA)]
    groups = [row["language"] for row in TYDIQA]
    measures = {name: measured([one[name] for one in scored], groups) for name in ("f1", "exact_match")}
    case("tydiqa", "trace", prompts, given, measures)


harness()
compass()
path = pathlib.Path(__file__).parent / "references.json"
path.write_text("[\n" + ",\n".join(json.dumps(one, ensure_ascii=False) for one in CASES) + "\n]\n")
