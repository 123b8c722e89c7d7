"""Writes metric_references.json: scores of fixed pairs, against which the Rust metrics are tested.

    pip install rouge==1.0.1 fuzzywuzzy==0.18.0 python-Levenshtein==0.27.5 sacrebleu==2.6.0
    python make_metric_references.py

ROUGE-L and the fuzzy ratio are those of the packages that TRACE calls; without python-Levenshtein
fuzzywuzzy falls back to difflib, which gives other numbers. TRACE's SARI, the `sari` metric of
Hugging Face evaluate, comes in no package: it is written here from its definition, in exact
fractions, around the tokenizer that it takes from sacrebleu. The texts are our own.
"""

import json
import pathlib
import re
from collections import Counter
from fractions import Fraction

from fuzzywuzzy import fuzz
from fuzzywuzzy.StringMatcher import StringMatcher  # Fails where python-Levenshtein is missing.
from rouge import Rouge
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

assert fuzz.SequenceMatcher is StringMatcher

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
    ("Empty answer", "", "Something was expected."),
    ("Nothing but stops", " . ", "One. Two. "),
    ("Beschreibe: Straße, Fluß, ÖPNV; 3.5 % teurer!", "STRASSE und Öpnv: 3,5 % teurer - leider.", "Straße und ÖPNV werden 3,5 % teurer."),
    ("Décris l'été", "cafe\u0301 😀 naïve — été", "café 😀 naive — été"),
    ("用中文写一句话：天气很好。", "今天天气很好，我们去公园。", "今天天气好。我们去公园玩。"),
    ("Odd spaces\u00a0here", "one\u00a0two\u2003three\x1cfour\tfive", "one two three four five"),
    ("62.5 is 62", "abcdexyz", "abcdefgh"),
    ("87.5 is 88", "abcdefgx", "abcdefgh"),
    ("Line\nbreaks and hyphen-\nation", "Line breaks,\nand hyphenation.", "line\nbreaks and hyphen-\nation"),
    ("<s> import os <EOL>", "s = '<STR_LIT:a > b>' + <CHAR_LIT:c>", "s = '<STR_LIT:<NUM_LIT:1>>' + <NUM_LIT:1>"),
    ("<s> x = <NUM_LIT:2> <EOL>", "y = f ( '<STR_LIT>' ) ", "y = f ( '<STR_LIT:key>' , <NUM_LIT> )"),
    ("<s> pass <EOL>", "<STR_LIT>", "<CHAR_LIT>"),
    ("A word that comes back", "a b a", "a b"),
    ("Words that come back", "d c c b a c", "b d d b d c c"),
]


def ratio(part, whole):
    """A share, with 0 / 0 = 1: who has nothing to do makes no mistake."""
    return Fraction(part) / whole if whole else Fraction(1)


def f1(a, b):
    return 2 * a * b / (a + b) if a + b else Fraction(0)


def mean_share(part, whole):
    """Mean over the n-grams of `whole` of the share of their count that is in `part`."""
    return ratio(sum(Fraction(part[gram], whole[gram]) for gram in whole), len(whole))


def sari(source, answer, reference):
    """Mean over n = 1..4 of (F1 of keeping, precision of deleting, F1 of adding) / 3, times 100."""
    tokenize = Tokenizer13a()
    texts = [tokenize(text.lower()).split(" ") for text in (source, answer, reference)]
    score = Fraction(0)
    for n in range(1, 5):
        old, new, gold = (
            Counter(tuple(text[i : i + n]) for i in range(len(text) - n + 1)) for text in texts
        )
        kept, to_keep = old & new, old & gold
        right = kept & gold
        score += f1(mean_share(right, kept), ratio(right.total(), to_keep.total()))
        deleted = old - new
        score += mean_share(deleted - gold, deleted)
        added, to_add = new.keys() - old.keys(), gold.keys() - old.keys()
        hits = len(added & to_add)
        score += f1(ratio(hits, len(added)), ratio(hits, len(to_add)))
    return float(100 * score / 12)


def rouge_l(answer, reference):
    """TRACE hands the expected text over as the hypothesis and counts an empty answer as 0."""
    # The package raises where a text is empty or nothing but full stops.
    if not answer.strip(".") or not reference.strip("."):
        return 0.0
    return Rouge(metrics=["rouge-l"]).get_scores(reference, answer)[0]["rouge-l"]["f"]


def undo_literals(code):
    """Literals are replaced one after another, each wherever it stands by then."""
    for bare, text in (("NUM", "0"), ("STR", ""), ("CHAR", "")):
        code = code.replace(f"<{bare}_LIT>", text)
    found = re.finditer(r"<(?:STR|NUM|CHAR)_LIT:([\s\S]*?)>", code)
    for literal, text in [(match[0], match[1]) for match in found]:
        code = code.replace(literal, text)
    return code


def code_ratio(answer, reference):
    """TRACE counts what is empty once its literals are undone as 0, even where both are."""
    answer, reference = undo_literals(answer), undo_literals(reference)
    return fuzz.ratio(answer, reference) if answer and reference else 0


def scores(prompt, answer, reference):
    return {
        "prompt": prompt,
        "answer": answer,
        "reference": reference,
        "rouge_l": rouge_l(answer, reference),
        "fuzzy_ratio": fuzz.ratio(answer, reference),
        "code_ratio": code_ratio(answer, reference),
        "sari": sari(prompt, answer, reference),
    }


def main():
    rows = [scores(*pair) for pair in PAIRS]
    out = pathlib.Path(__file__).with_name("metric_references.json")
    out.write_text(json.dumps(rows, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
