"""The PyTorch side of a comparison: a worker that `experiments bench --peer` gives its orders.

    pip install torch transformers peft
    experiments bench --shape llama-m --variant seqft,core --share 0.5 \
        --peer "torch=python3 results/bench/peers.py full" \
        --peer "peft 0.5=python3 results/bench/peers.py osf 0.5"

    experiments bench --shape llama-m --gemm --peer "torch=python3 results/bench/peers.py gemm" \
        --peer "numpy=python3 results/bench/peers.py gemm-numpy"

Methods: `gemm` times the matrix products that it is told by torch.matmul, `gemm-numpy` by numpy.matmul (which calls
OpenBLAS); `generate` answers the prompts that it is told by transformers' `generate`. `full` trains all parameters with torch.optim.AdamW, `full-fused` with its fused version, `osf K`
is PEFT's OSFConfig with a share K kept. With `--dtype bf16` weights, gradients and moments are bf16; without,
f32. With `--autocast` what trains stays f32 and products are bf16 in the training step, as with our `--mixed-precision bf16`. `--recompute` keeps only what goes into each block between the passes. `--tf32` lets PyTorch round the inputs of f32 products to TF32, as Burn does on NVIDIA cards. Shapes, rows,
device and what is timed are those of the bench's own workers: forward, backward, clipping by global norm,
optimizer step. On a card, memory is what PyTorch's allocator reserved.
"""

import json
import os
import resource
import sys
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
import transformers

LENGTH, ANSWER = 128, 16
LLAMA = {
    "llama-s": dict(hidden_size=256, intermediate_size=704, num_hidden_layers=4, num_attention_heads=4,
                    num_key_value_heads=4, vocab_size=4096, tie_word_embeddings=False),
    "llama-m": dict(hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9,
                    num_key_value_heads=3, vocab_size=49152, tie_word_embeddings=True),
    "llama-1b": dict(hidden_size=2048, intermediate_size=5632, num_hidden_layers=22, num_attention_heads=32,
                     num_key_value_heads=4, vocab_size=32000, tie_word_embeddings=False),
    "llama-7b-block": dict(hidden_size=4096, intermediate_size=11008, num_hidden_layers=1, num_attention_heads=32,
                           num_key_value_heads=32, vocab_size=1024, tie_word_embeddings=False),
}
LLAMA_TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
T5_TARGETS = ["q", "k", "v", "o", "wi", "wo"]


def llama(shape):
    """What the bench's shapes are in transformers' words; None for one of another family."""
    if shape in LLAMA or shape == "t5-small":
        return LLAMA.get(shape)
    width, blocks = map(int, shape.removeprefix("llama-").split("x"))
    return dict(hidden_size=width, intermediate_size=-(-(width * 8 // 3) // 64) * 64, num_hidden_layers=blocks,
                num_attention_heads=width // 64, num_key_value_heads=width // 64, vocab_size=1024,
                tie_word_embeddings=False)


def build(shape):
    torch.manual_seed(1)
    if llama(shape):
        config = transformers.LlamaConfig(use_cache=False, **llama(shape))
        return transformers.LlamaForCausalLM(config), LLAMA_TARGETS
    config = transformers.T5Config(d_model=512, d_kv=64, d_ff=2048, num_layers=6, num_heads=8,
                                   vocab_size=32128, dropout_rate=0.0, use_cache=False, pad_token_id=0,
                                   eos_token_id=1, decoder_start_token_id=0)
    return transformers.T5ForConditionalGeneration(config), T5_TARGETS


def batch(shape, vocabulary, tokens, seed):
    random = torch.Generator().manual_seed(seed)
    rows = -(-tokens // LENGTH)
    ids = torch.randint(2, vocabulary, (rows, LENGTH), generator=random)
    if llama(shape):
        return dict(input_ids=ids, labels=ids)
    return dict(input_ids=ids, labels=torch.randint(2, vocabulary, (rows, ANSWER), generator=random))


def peak_mebibytes(device):
    if device == "cuda":
        return torch.cuda.max_memory_reserved() / 2**20
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def reset_peak(device):
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    with open("/proc/self/clear_refs", "w") as handle:
        handle.write("5")


def sync(device):
    if device == "cuda":
        torch.cuda.synchronize()


def say(**what):
    print(json.dumps(what), flush=True)


def multiplication(product, numpy):
    """A function that multiplies matrices of a product's size, stored as it says."""
    m, k, n = product["size"]
    factors = []
    for (rows, columns), transposed in zip([(m, k), (k, n)], product["transposed"]):
        stored = (columns, rows) if transposed else (rows, columns)
        numbers = torch.rand(stored) - 0.5
        factors.append(numbers.T if transposed else numbers)
    if numpy:
        import numpy as np

        a, b = (factor.numpy() for factor in factors)
        return lambda: np.matmul(a, b)
    return lambda: torch.matmul(*factors)


def mean_seconds(multiply, long_enough=0.03):
    multiply()
    begun, count = time.perf_counter(), 0
    while time.perf_counter() - begun < long_enough:
        multiply()
        count += 1
    return (time.perf_counter() - begun) / count


def gemm(spec, numpy):
    torch.set_num_threads(os.cpu_count())
    products = [multiplication(product, numpy) for product in spec["products"]]
    say(ready=True)
    for _ in sys.stdin:
        say(seconds=[mean_seconds(multiply) for multiply in products])


def generate(spec):
    """Batches of prompts, padded on the left, answered greedily with a cache; no token ends an answer."""
    torch.set_num_threads(os.cpu_count())
    model, _ = build(spec["shape"])
    model.eval()
    model.generation_config.eos_token_id = None
    model.generation_config.pad_token_id = 0
    say(ready=True)
    for _ in sys.stdin:
        begun, tokens = time.perf_counter(), 0
        for prompts in spec["batches"]:
            longest = max(map(len, prompts))
            ids = torch.tensor([[0] * (longest - len(prompt)) + prompt for prompt in prompts])
            mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
            if spec["shape"] == "t5-small":
                # An encoder takes its padding on the right.
                ids, mask = ids.flip(1), mask.flip(1)
            with torch.no_grad():
                answers = model.generate(input_ids=ids, attention_mask=mask, do_sample=False, use_cache=True,
                                         max_new_tokens=spec["new_tokens"], min_new_tokens=spec["new_tokens"])
            tokens += len(prompts) * spec["new_tokens"]
            assert answers.shape[1] >= spec["new_tokens"], answers.shape
        say(seconds=time.perf_counter() - begun, tokens=tokens)


def main():
    method = sys.argv[1]
    spec = json.loads(sys.argv[sys.argv.index("--worker") + 1])
    if method.startswith("gemm"):
        return gemm(spec, method == "gemm-numpy")
    if method == "generate":
        return generate(spec)
    shape, tokens = spec["shape"], spec["tokens"]
    device = "cuda" if spec["backend"] == "cuda" else "cpu"
    torch.set_num_threads(os.cpu_count())
    if "--tf32" in sys.argv:
        torch.set_float32_matmul_precision("high")
    model, targets = build(shape)
    if "--dtype" in sys.argv:
        kinds = {"bf16": torch.bfloat16, "f32": torch.float32}
        model.to(kinds[sys.argv[sys.argv.index("--dtype") + 1]])
    model.to(device)
    vocabulary = model.config.vocab_size
    parameters = sum(p.numel() for p in model.parameters())
    begun = time.perf_counter()
    if method == "osf":
        import peft

        config = peft.OSFConfig(effective_rank=float(sys.argv[2]), target_modules=targets)
        model = peft.get_peft_model(model, config)
    sync(device)
    setup = time.perf_counter() - begun
    if "--recompute" in sys.argv:
        # Not reentrant: reentrant checkpoints give no gradients behind embeddings that do not train.
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    model.train()
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-4, weight_decay=0.0, fused=method == "full-fused" or None)
    say(setup_seconds=setup, setup_mebibytes=peak_mebibytes(device), parameters=parameters, multiplications=None)
    reset_peak(device)
    for seed, _ in enumerate(sys.stdin):
        rows = {name: ids.to(device) for name, ids in batch(shape, vocabulary, tokens, seed).items()}
        begun = time.perf_counter()
        with torch.no_grad():
            model(**rows).loss.item()
        forward = time.perf_counter() - begun
        begun = time.perf_counter()
        with torch.autocast(device, torch.bfloat16, enabled="--autocast" in sys.argv):
            loss = model(**rows).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        sync(device)
        step = time.perf_counter() - begun
        say(forward_seconds=forward, step_seconds=step, mebibytes=peak_mebibytes(device), loss=loss.item())


main()
