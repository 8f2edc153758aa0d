"""The peers of the suites grouped and batched. Used by peers.py.

torch_rowwise is PyTorch's grouped product, of codes with one scale a row and one a weight's row, whose sums have the tensor core's width.
triton_block_grouped and triton_block_batched quantize bf16 rows themselves; see peers_triton.py. Grouped products find their rows sorted by
expert, in the suite batched too: sorting is not in their times.
"""
import random

import torch

from peers_timing import Peer, fp8

GROUPED = [(32, 4096, 4096, 7168), (32, 4096, 7168, 2048), (32, 32768, 4096, 7168), (32, 32768, 7168, 2048), (256, 32768, 4096, 7168)]
BATCHED = [(tokens, n, k) for n, k in ((4096, 7168), (7168, 2048)) for tokens in (1, 8, 64)]
EXPERTS, TOP_K = 32, 8


class Operands:
    """Rows in bf16, their experts, and the experts' weights: codes, with scales of blocks and of rows."""

    def __init__(self, ids, experts, n, k):
        self.rows, self.n, self.k, self.used = len(ids), n, k, len(set(ids))
        self.ids = torch.tensor(ids, dtype=torch.int32, device="cuda")
        self.sorted_ids = self.ids.sort().values
        counts = torch.bincount(self.ids, minlength=experts)
        self.counts, self.ends = counts.to(torch.int32), counts.cumsum(0).to(torch.int32)
        self.x = torch.randn(len(ids), k, device="cuda").to(torch.bfloat16)
        self.weights = torch.empty(experts, n, k, dtype=torch.float8_e4m3fn, device="cuda")
        for weights in self.weights:
            weights.copy_(fp8(n, k))
        self.block_scales = torch.rand(experts, n // 128, k // 128, device="cuda").add_(0.5).mul_(0.002)
        self.row_scales = torch.rand(experts, n, device="cuda").add_(0.5).mul_(0.002)

    def quantize(self, columns):
        """Codes and scales of the rows in blocks of so many columns."""
        blocks = self.x.float().view(self.rows, -1, columns)
        scales = blocks.abs().amax(2, keepdim=True).div_(448).clamp_(min=1e-12)
        return (blocks / scales).to(torch.float8_e4m3fn).view(self.rows, self.k), scales.squeeze(2)

    def error(self, output, ids, codes, scales, weight_scales):
        """Relative error of a few rows of an output."""
        difference = norm = 0
        for row in {0, self.rows - 1, *random.Random(4).sample(range(self.rows), 4)}:
            expert = int(ids[row])
            x = codes[row].float().double() * scales[row].double().repeat_interleave(self.k // scales.shape[1])
            expected = (self.weights[expert].float().double() * weight_scales(expert).double()) @ x
            difference += (output[row].double() - expected).square().sum()
            norm += expected.square().sum()
        return float((difference / norm).sqrt())

    def of_block_scales(self, ids):
        """The error of products with 1x128 and 128x128 blocks."""
        codes, scales = self.quantize(128)

        def weight_scales(expert):
            return self.block_scales[expert].repeat_interleave(128, 0).repeat_interleave(128, 1)

        return lambda output: self.error(output, ids, codes, scales, weight_scales)


def grouped(experts, rows, n, k):
    """Every row's expert is drawn at random."""
    draw = random.Random(6)
    operands = Operands(sorted(draw.randrange(experts) for _ in range(rows)), experts, n, k)
    weights = operands.used * n * k
    name = f"{experts} experts"
    return {
        "torch_rowwise": rowwise(operands, f"codes {name}", weights + rows * k + 2 * rows * n),
        "triton_block_grouped": triton_grouped(operands, f"bf16 {name}", weights + 2 * rows * k + 2 * rows * n),
    }


def batched(tokens, n, k):
    """Every token takes TOP_K experts; where there are rows enough, none is left out, as in the suite."""
    draw = random.Random(7)
    ids = []
    while len(set(ids)) < min(EXPERTS, tokens * TOP_K):
        ids = [expert for _ in range(tokens) for expert in draw.sample(range(EXPERTS), TOP_K)]
    operands = Operands(ids, EXPERTS, n, k)
    name = f"{tokens} tokens x {TOP_K} of {EXPERTS} experts"
    weights = operands.used * n * k
    return {
        "torch_rowwise": rowwise(operands, name, weights),
        "triton_block_grouped": triton_grouped(operands, name, weights),
        "triton_block_batched": triton_batched(operands, name, weights),
    }


def rowwise(operands, variant, bytes):
    codes, scales = operands.quantize(operands.k)
    activation_scales = scales.view(-1)

    def launch(turn):
        return torch._scaled_grouped_mm(
            codes, operands.weights.transpose(1, 2), activation_scales, operands.row_scales, offs=operands.ends,
            out_dtype=torch.bfloat16, use_fast_accum=True)

    def error(output):
        return operands.error(output, operands.sorted_ids, codes, scales, lambda expert: operands.row_scales[expert][:, None])

    return Peer(launch, variant, operations(operands), bytes, error)


def triton_grouped(operands, variant, bytes):
    def launch(turn):
        import peers_triton

        return peers_triton.grouped(operands.x, operands.weights, operands.block_scales, operands.ends, operands.counts)

    return Peer(launch, variant, operations(operands), bytes, operands.of_block_scales(operands.sorted_ids))


def triton_batched(operands, variant, bytes):
    def launch(turn):
        import peers_triton

        return peers_triton.batched(operands.x, operands.weights, operands.block_scales, operands.ids)

    return Peer(launch, variant, operations(operands), bytes, operands.of_block_scales(operands.ids))


def operations(operands):
    return 2.0 * operands.rows * operands.n * operands.k


def compile_ahead(suites):
    """Compiles the Triton kernels of the suites at once; without this it happens at each first launch."""
    problems = []
    if "grouped" in suites:
        problems += [("grouped", 128 * 32, 32), ("grouped", 128 * 256, 256)]
    if "batched" in suites:
        problems += [("grouped", 16, EXPERTS), ("batched", 16, EXPERTS)]
    if problems:
        import peers_triton

        peers_triton.compile_ahead(problems)
