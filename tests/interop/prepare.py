"""Makes what `run` trains on and compares: `prepare.py FIXTURES WORK NAME...`.

Every model gets a folder `WORK/NAME/base`: the fixture and a tokenizer of single characters that fits its vocabulary,
since fixtures have none. `WORK/NAME/request.json` holds the token ids whose logits are compared, `WORK/rows.jsonl` what
is learned.
"""

import json
import random
import shutil
import sys
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, processors

WORDS = (
    "harbour ferry morning window letter garden river candle winter bridge market summer "
    "planet teacher village copper silver orange station harvest mirror pocket island blanket"
)
# The longest is longer than the windows (6), the rotary positions before scaling (32) and the largest distance of T5
# (40) in the fixtures; they are unequal, so that the toolkit pads.
ROW_LENGTHS = (48, 23, 7)
ANSWER_LENGTHS = (6, 44, 17)
NEW_TOKENS = 10


def tokenizer(vocabulary: int, encoder_decoder: bool) -> Tokenizer:
    """Reads printable ASCII, one token per character; special tokens as in `config.json` of the fixtures."""
    special = ["<pad>", "</s>"] if encoder_decoder else ["<pad>", "<s>", "</s>"]
    tokens = special + [chr(code) for code in range(32, 127)]
    if len(tokens) > vocabulary:
        sys.exit(f"expected a vocabulary of at least {len(tokens)} tokens, found {vocabulary}")
    tokens += [f"<unused{number}>" for number in range(vocabulary - len(tokens))]
    made = Tokenizer(models.BPE({token: id for id, token in enumerate(tokens)}, []))
    made.add_special_tokens(special)
    added = "</s>" if encoder_decoder else "<s>"
    single = "$A </s>" if encoder_decoder else "<s> $A"
    made.post_processor = processors.TemplateProcessing(single=single, special_tokens=[(added, tokens.index(added))])
    made.decoder = decoders.Fuse()
    return made


def request(config: dict) -> dict:
    """Token ids, the same in every run."""
    draw = random.Random(7)

    def row(length: int) -> list[int]:
        return [draw.randrange(3, config["vocab_size"]) for _ in range(length)]

    asked = {"rows": [row(length) for length in ROW_LENGTHS], "new_tokens": NEW_TOKENS}
    if config.get("is_encoder_decoder", False):
        start = config["decoder_start_token_id"]
        asked["answers"] = [[start] + row(length - 1) for length in ANSWER_LENGTHS]
    return asked


def main() -> None:
    fixtures, work, *names = sys.argv[1:]
    for name in names:
        folder = Path(work) / name
        base = folder / "base"
        base.mkdir(parents=True)
        for file in ("config.json", "model.safetensors"):
            shutil.copyfile(Path(fixtures) / name / file, base / file)
        config = json.loads((base / "config.json").read_text())
        made = tokenizer(config["vocab_size"], config.get("is_encoder_decoder", False))
        made.save(str(base / "tokenizer.json"))
        (folder / "request.json").write_text(json.dumps(request(config)))
    rows = ({"prompt": f"reverse {word}: ", "answer": word[::-1]} for word in WORDS.split())
    (Path(work) / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


main()
