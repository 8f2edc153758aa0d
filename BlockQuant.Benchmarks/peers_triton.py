"""Triton kernels of the same method as Hugging Face's finegrained-fp8, written for this comparison.

bf16 rows [M, K] are quantized inside the kernel, a 1x128 block at a time, and multiplied with experts' FP8 weights [E, N, K], whose scales
[E, N/128, K/128] belong to blocks of 128x128. N and K are multiples of 128, E a power of two. The tile has as many rows as an expert has on
average, between 16 and 128, and 128 columns. Warps and stages are tuned, as there, for each N, K and tile.
"""
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import torch
import triton
import triton.language as tl

BLOCK = tl.constexpr(128)
CANDIDATES = [(warps, stages) for warps in (2, 4, 8, 16) for stages in (2, 3, 4, 5)]
CONFIGS = [triton.Config({}, num_warps=warps, num_stages=stages) for warps, stages in CANDIDATES]


@triton.jit
def multiply(x, w, scales, K, inside, TILE_M: tl.constexpr):
    """Sums of a tile, given pointers to its first block of K: of the rows, of the weights and of their scale."""
    sums = tl.zeros((TILE_M, BLOCK), dtype=tl.float32)
    for block in range(0, K // BLOCK):
        values = tl.load(x, mask=inside[:, None], other=0.0).to(tl.float32)
        scale = tl.maximum(tl.max(tl.abs(values), axis=1) / 448.0, 1e-12)
        codes = (values / scale[:, None]).to(tl.float8e4nv)
        weights = tl.load(w)
        weight_scale = tl.load(scales + block)
        sums += tl.dot(codes, weights) * scale[:, None] * weight_scale
        x += BLOCK
        w += BLOCK
    return sums


@triton.autotune(configs=CONFIGS, key=["N", "K", "TILE_M"])
@triton.jit
def grouped_kernel(X, W, SCALES, ENDS, TILE_ENDS, OUT, N, K, EXPERTS: tl.constexpr, TILE_M: tl.constexpr):
    """A tile of one expert's rows; ENDS and TILE_ENDS count the rows and tiles up to each expert's last."""
    tile = tl.program_id(0)
    experts = tl.arange(0, EXPERTS)
    ends = tl.load(ENDS + experts)
    tile_ends = tl.load(TILE_ENDS + experts)
    earlier = tile_ends <= tile
    expert = tl.sum(earlier.to(tl.int32), axis=0)
    # The grid is for the most tiles that so many rows can have.
    if expert >= EXPERTS:
        return
    first_row = tl.max(tl.where(earlier, ends, 0), axis=0)
    first_tile = tl.max(tl.where(earlier, tile_ends, 0), axis=0)
    rows = first_row + (tile - first_tile) * TILE_M + tl.arange(0, TILE_M)
    inside = rows < tl.load(ENDS + expert)
    columns = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    depth = tl.arange(0, BLOCK)
    row_starts = rows.to(tl.int64)
    x = X + row_starts[:, None] * K + depth[None, :]
    w = W + expert.to(tl.int64) * N * K + columns[None, :] * K + depth[:, None]
    scales = SCALES + (expert * (N // BLOCK) + tl.program_id(1)) * (K // BLOCK)
    sums = multiply(x, w, scales, K, inside, TILE_M)
    tl.store(OUT + row_starts[:, None] * N + columns[None, :], sums.to(tl.bfloat16), mask=inside[:, None])


@triton.autotune(configs=CONFIGS, key=["N", "K", "TILE_M"])
@triton.jit
def batched_kernel(X, W, SCALES, IDS, OUT, N, K, TILE_M: tl.constexpr):
    """One row: every row of the tile is that row, and the first is stored."""
    row = tl.program_id(0).to(tl.int64)
    expert = tl.load(IDS + row).to(tl.int64)
    lanes = tl.arange(0, TILE_M)
    columns = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    depth = tl.arange(0, BLOCK)
    x = X + row * K + lanes[:, None] * 0 + depth[None, :]
    w = W + expert * N * K + columns[None, :] * K + depth[:, None]
    scales = SCALES + (expert * (N // BLOCK) + tl.program_id(1)) * (K // BLOCK)
    sums = multiply(x, w, scales, K, lanes < TILE_M, TILE_M)
    tl.store(OUT + row * N + lanes[:, None] * 0 + columns[None, :], sums.to(tl.bfloat16), mask=(lanes == 0)[:, None])


def tile_rows(rows, experts):
    return min(max(triton.next_power_of_2(triton.cdiv(rows, experts)), 16), 128)


def grouped(x, weights, scales, ends, counts, kernel=grouped_kernel, **config):
    """Rows sorted by expert: those of expert e end before ends[e] and are counts[e]."""
    (experts, n, k), tile_m = weights.shape, tile_rows(len(x), len(weights))
    output = torch.empty(len(x), n, dtype=torch.bfloat16, device=x.device)
    tile_ends = torch.cumsum((counts + (tile_m - 1)) // tile_m, 0, dtype=torch.int32)
    grid = (triton.cdiv(len(x), tile_m) + experts, n // BLOCK.value)
    kernel[grid](x, weights, scales, ends, tile_ends, output, n, k, EXPERTS=experts, TILE_M=tile_m, **config)
    return output


def batched(x, weights, scales, ids, kernel=batched_kernel, **config):
    """Rows in any order: ids[i] is the expert of row i."""
    (experts, n, k), tile_m = weights.shape, tile_rows(len(x), len(weights))
    output = torch.empty(len(x), n, dtype=torch.bfloat16, device=x.device)
    kernel[(len(x), n // BLOCK.value)](x, weights, scales, ids, output, n, k, TILE_M=tile_m, **config)
    return output


def compile_ahead(problems):
    """Compiles the kernels of problems (name, rows, experts), each candidate in a process of its own: one after another takes minutes."""
    with ProcessPoolExecutor(len(CANDIDATES), multiprocessing.get_context("spawn")) as pool:
        list(pool.map(compile_candidate, [problems] * len(CANDIDATES), CANDIDATES))


def compile_candidate(problems, candidate):
    """Runs a candidate on one block of weights an expert, which leaves it in Triton's cache."""
    warps, stages = candidate
    for name, rows, experts in problems:
        x = torch.zeros(rows, BLOCK.value, dtype=torch.bfloat16, device="cuda")
        weights = torch.zeros(experts, BLOCK.value, BLOCK.value, device="cuda").to(torch.float8_e4m3fn)
        scales = torch.ones(experts, 1, 1, device="cuda")
        ints = torch.zeros(max(rows, experts), dtype=torch.int32, device="cuda")
        config = {"num_warps": warps, "num_stages": stages}
        try:
            if name == "grouped":
                grouped(x, weights, scales, ints[:experts], ints[:experts], grouped_kernel.fn, **config)
            else:
                batched(x, weights, scales, ints[:rows], batched_kernel.fn, **config)
            torch.cuda.synchronize()
        except Exception as failure:  # too much shared memory; tuning drops it too
            print(f"{name} with {warps} warps, {stages} stages: {type(failure).__name__}", flush=True)
