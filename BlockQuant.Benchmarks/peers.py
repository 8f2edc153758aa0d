"""Times what an ordinary PyTorch offers for the shapes of the suites dense, int8, grouped and batched, in the same two ways as the suites.

Usage: python3 peers.py --json peers.json [--suite grouped] [--ours results.json] [--tokens 1,16,64,128,1024,4096]

Spaced: idle time and a 2 GB memset before each replay of a CUDA graph of one launch (cold L2). Sustained: CUDA-graph replays back to back, weights rotated past L2.
With --ours (more than one file may be named), prints the ratio of each peer's time to BlockQuant's. A peer that fails says so, and the next one runs.
"""
import argparse
import datetime
import json
import statistics
import subprocess
from functools import partial

import torch

import peers_experts
from peers_timing import Peer, fp8, measure

SHAPES = [(4096, 7168), (7168, 2048), (2112, 7168), (24576, 1536), (7168, 16384), (4096, 4096)]
SUITES = ["dense", "int8", "grouped", "batched"]


def sample(extent):
    """Indices of up to 64 rows or columns, from the first to the last."""
    return torch.linspace(0, extent - 1, min(extent, 64), device="cuda").round().long()


def relative_error(rows, columns, expected, output):
    """Of a sample of an output, in the root mean square."""
    found = output[rows][:, columns].double()
    return ((found - expected).norm() / expected.norm()).item()


def dense(m, n, k, copies):
    """The peers of one shape by name."""
    a, weights = fp8(m, k), [fp8(n, k)] * 1
    weights += [weights[0].clone() for _ in range(copies - 1)]
    one = torch.tensor(0.01, device="cuda")
    row_scales = torch.rand(k // 128, m, device="cuda").add_(0.5).mul_(0.002).t()
    block_scales = torch.rand((n + 127) // 128, k // 128, device="cuda").add_(0.5).mul_(0.002)

    def block_scaled(turn):
        return torch._scaled_mm(
            a, weights[turn % copies].t(), scale_a=row_scales, scale_b=block_scales.t(), out_dtype=torch.bfloat16)

    def tensor_wise(turn):
        return torch._scaled_mm(a, weights[turn % copies].t(), scale_a=one, scale_b=one, out_dtype=torch.bfloat16, use_fast_accum=True)

    def values(codes, indices):
        # By bytes, since PyTorch does not index every type of 8 bits.
        return codes.view(torch.uint8)[indices].view(torch.float8_e4m3fn).double()

    def scaled(rows, scales):
        return (rows.unflatten(1, (-1, 128)) * scales.double().unsqueeze(-1)).flatten(1)

    rows, columns = sample(m), sample(n)
    left, right = values(a, rows), values(weights[0], columns)
    plain = left @ right.t() * one.double() ** 2
    by_blocks = scaled(left, row_scales[rows]) @ scaled(right, block_scales[columns // 128]).t()
    return {
        "cublaslt_block": Peer(block_scaled, error=partial(relative_error, rows, columns, by_blocks)),
        "cublaslt_tensor": Peer(tensor_wise, error=partial(relative_error, rows, columns, plain)),
    }


def int8(m, n, k, copies):
    def codes(rows, columns):
        return torch.randn(rows, columns, device="cuda").mul_(38).round_().clamp_(-127, 127).to(torch.int8)

    a, weights = codes(m, k), [codes(n, k) for _ in range(copies)]
    rows, columns = sample(m), sample(n)
    exact = a[rows].double() @ weights[0][columns].double().t()
    return {
        "int_mm": Peer(
            lambda turn: torch._int_mm(a, weights[turn % copies].t()), error=partial(relative_error, rows, columns, exact))
    }


def problems(tokens):
    """Suite, M, N, K, copies of the weights and what makes the peers, of every problem."""
    shapes = [("dense", dense, m, n, k) for m in tokens for n, k in SHAPES]
    shapes += [("int8", int8, 4096, n, 4096) for n in (4096, 12288)]
    for suite, make, m, n, k in shapes:
        copies = max(1, min(16, 200_000_000 // (n * k) + 1))
        yield suite, m, n, k, copies, partial(make, m, n, k, copies)
    for experts, m, n, k in peers_experts.GROUPED:
        yield "grouped", m, n, k, 1, partial(peers_experts.grouped, experts, m, n, k)
    for batch, n, k in peers_experts.BATCHED:
        yield "batched", batch * peers_experts.TOP_K, n, k, 1, partial(peers_experts.batched, batch, n, k)


def printed(*command):
    """The first line that a command prints, or None where it cannot be run."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json")
    parser.add_argument("--ours", nargs="+", default=[])
    parser.add_argument("--tokens", default="1,16,64,128,256,512,1024,4096")
    parser.add_argument("--suite", nargs="+", choices=SUITES, default=SUITES, help="only these suites' peers")
    parser.add_argument("--peer", nargs="+", help="only these peers")
    options = parser.parse_args()
    try:
        peers_experts.compile_ahead(options.suite)
    except Exception as failure:
        print(f"not compiled ahead: {type(failure).__name__}: {failure}", flush=True)
    torch.manual_seed(1)
    flush = torch.empty(2 << 30, dtype=torch.uint8, device="cuda")
    machine = {
        "device": torch.cuda.get_device_name(),
        "driver": printed("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"),
        "torch": torch.__version__,
        "date": datetime.date.today().isoformat(),
        "commit": printed("git", "rev-parse", "--short", "HEAD"),
    }
    results = []
    for suite, m, n, k, copies, make in problems([int(m) for m in options.tokens.split(",")]):
        if suite not in options.suite:
            continue
        try:
            peers = make()
        except Exception as failure:
            print(f"{suite} {m} {n} {k}: {type(failure).__name__}: {failure}", flush=True)
            continue
        for name, peer in peers.items():
            if options.peer and name not in options.peer:
                continue
            row = {"suite": suite, "m": m, "n": n, "k": k, "peer": name} | measure(peer, copies, flush)
            results.append(row)
            print(row, flush=True)
        if options.json:
            with open(options.json, "w") as file:
                json.dump(machine | {"results": results}, file, indent=1)
    ours = []
    for path in options.ours:
        with open(path) as file:
            ours += json.load(file)["results"]
    print_ratios(results, ours)


def compared(ours, peer):
    """From bf16, a dense peer's product alone stands beside quantizer and product; experts' peers name the variant that they stand beside."""
    same = all(ours[key] == peer[key] for key in ("m", "n", "k")) and ours["suite"].removesuffix("-bf16") == peer["suite"]
    return same and ours["variant"].startswith(peer.get("variant", ""))


def print_ratios(peers, ours):
    """Peer's time over ours, for each shape that both ran, and the geometric mean."""
    shape = ("suite", "m", "n", "k")
    groups = {}
    for row in (row for row in peers if "failure" not in row):
        for other in (other for other in ours if compared(other, row)):
            ratios = [row[way] / other[way] for way in ("spaced_us", "sustained_us")]
            print(*(other[key] for key in shape), f"{row['peer']} over {other['variant']}: {ratios[0]:.2f} spaced, {ratios[1]:.2f} sustained")
            for which in (f"M={row['m']}", "all shapes"):
                groups.setdefault((other["suite"], which, row["peer"]), []).append(ratios)
    for (suite, which, peer), ratios in groups.items():
        means = [statistics.geometric_mean(values) for values in zip(*ratios)]
        print(f"{suite} {which} {peer}: geometric mean {means[0]:.3f} spaced, {means[1]:.3f} sustained")


if __name__ == "__main__":
    main()
