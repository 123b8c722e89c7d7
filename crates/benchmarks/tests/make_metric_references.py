"""Writes metric_references.json: scores of fixed pairs by the packages that TRACE uses.

    pip install rouge==1.0.1 fuzzywuzzy==0.18.0 python-Levenshtein sacrebleu sacremoses packaging
    python make_metric_references.py SARI

SARI is the file `metrics/sari/sari.py` of Hugging Face datasets 2.x. The texts are our own.
"""

import importlib.util
import json
import pathlib
import sys
import types

from fuzzywuzzy import fuzz
from rouge import Rouge

PAIRS = [
    # prompt, answer, reference
    ("Shorten: The council approved the new bridge.", "The council approved the bridge.", "The council approved the bridge."),
    ("Shorten: The council approved the new bridge.", "The bridge was approved by the council.", "The council approved the bridge."),
    ("Shorten: It rained. The match, which was late, was called off.", "It rained. The match was called off. Fans left.", "The match was called off. It rained."),
    ("Which colour?", "blue", "red"),
    ("Count.", "one two three two one", "one one two two three three"),
    ("Simplify: Subsequently, he commenced the endeavour.", "Then he started the work.", "Then he began the work."),
    ("Simplify: Subsequently, he commenced the endeavour.", "Subsequently, he commenced the endeavour.", "Then he began the work."),
    ("Vereinfache: Der Bürgermeister kündigte Maßnahmen an.", "Der Bürgermeister plant etwas Neues.", "Der Bürgermeister hat Pläne."),
    ("请总结：市长宣布修建一座新桥。", "市长 宣布 修 桥", "市长 宣布 建 桥"),
    ("return the sum", "return total + 1", "return total"),
    ("for i in range ( n ) :", "x = foo ( <STR_LIT:a> , <NUM_LIT> )", "x = foo ( <STR_LIT:b> , <NUM_LIT:1> )"),
    ("Prices: 3.50 and 1,000 - or 20-30?", "It costs 3.50, not 1,000 (or 20-30)!", "It costs 3.5, not 1000 - or 20-30."),
    ("Say &quot;yes&quot; &amp; go", "\"yes\" & go", "&quot;yes&quot; &amp; stay"),
    ("Words", "a b c d e f g h", "h g f e d c b a"),
    ("Sentences", "w1 w2 w6 w7 w8. w1 w3 w8 w9 w5.", "w1 w2 w3 w4 w5."),
    ("One", "yes", "yes"),
    ("Repeat", "the the the cat", "the cat the cat the cat"),
    ("Long words", "Unbelievable! Really?", "unbelievable , really"),
    ("Stops", "e.g. this one. and. that", "this one and that"),
    ("A b", "A", "A b c"),
]


def load_sari(path):
    """The original module, with a stand-in for the registration it needs `datasets` for."""
    stub = types.ModuleType("datasets")
    stub.Metric = object
    stub.utils = types.SimpleNamespace(
        file_utils=types.SimpleNamespace(add_start_docstrings=lambda *a: lambda c: c)
    )
    sys.modules["datasets"] = stub
    spec = importlib.util.spec_from_file_location("sari", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Sari()


def main():
    sari = load_sari(sys.argv[1])
    rouge = Rouge(metrics=["rouge-l"])
    rows = []
    for prompt, answer, reference in PAIRS:
        rows.append({
            "prompt": prompt,
            "answer": answer,
            "reference": reference,
            # TRACE hands the expected text over as the hypothesis.
            "rouge_l": rouge.get_scores(reference, answer)[0]["rouge-l"]["f"],
            "fuzzy_ratio": fuzz.ratio(answer, reference),
            "sari": sari._compute([prompt], [answer], [[reference]])["sari"],
        })
    out = pathlib.Path(__file__).with_name("metric_references.json")
    out.write_text(json.dumps(rows, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
