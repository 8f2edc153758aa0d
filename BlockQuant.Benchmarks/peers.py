"""Times what an ordinary PyTorch offers for the shapes of the dense and int8 suites, in the same two ways as the suites.

Usage: python3 peers.py --json peers.json [--ours results.json] [--tokens 1,16,64,128,1024,4096]

Spaced: idle time and a 2 GB memset before each replay of a CUDA graph of one launch (cold L2). Sustained: CUDA-graph replays back to back, weights rotated past L2.
With --ours, prints the ratio of each peer's time to BlockQuant's.
"""
import argparse
import json
import statistics
import time

import torch

SHAPES = [(4096, 7168), (7168, 2048), (2112, 7168), (24576, 1536), (7168, 16384), (4096, 4096)]


def spaced(launch, flush):
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        launch(0)
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    times = []
    for turn in range(13):
        time.sleep(0.005)
        flush.fill_(turn)
        start.record()
        graph.replay()
        end.record()
        torch.cuda.synchronize()
        if turn >= 3:
            times.append(start.elapsed_time(end) * 1000)
    return statistics.median(times)


def sustained(launch, launches, seconds=0.15):
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for turn in range(launches):
            launch(turn)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        graph.replay()
        torch.cuda.synchronize()
    times = []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline or len(times) < 5:
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        for _ in range(4):
            graph.replay()
        end.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(end) * 1000 / (4 * launches))
    return statistics.median(times)


def fp8(rows, columns):
    return torch.randn(rows, columns, device="cuda").mul_(100).clamp_(-448, 448).to(torch.float8_e4m3fn)


def dense(m, n, k, copies):
    """The peers of one shape: name -> launch(turn)."""
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

    return {"cublaslt_block": block_scaled, "cublaslt_tensor": tensor_wise}


def int8(m, n, k, copies):
    def codes(rows, columns):
        return torch.randn(rows, columns, device="cuda").mul_(38).round_().clamp_(-127, 127).to(torch.int8)

    a, weights = codes(m, k), [codes(n, k) for _ in range(copies)]
    return {"int_mm": lambda turn: torch._int_mm(a, weights[turn % copies].t())}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json")
    parser.add_argument("--ours")
    parser.add_argument("--tokens", default="1,16,64,128,256,512,1024,4096")
    parser.add_argument("--suite", choices=["dense", "int8"], help="only this suite's peers")
    options = parser.parse_args()
    flush = torch.empty(2 << 30, dtype=torch.uint8, device="cuda")
    suites = [("dense", dense, (int(m), n, k)) for m in options.tokens.split(",") for n, k in SHAPES]
    suites += [("int8", int8, shape) for shape in ((4096, 4096, 4096), (4096, 12288, 4096))]
    suites = [row for row in suites if options.suite in (None, row[0])]
    results = []
    for suite, make, (m, n, k) in suites:
        copies = max(1, min(16, 200_000_000 // (n * k) + 1))
        for name, launch in make(m, n, k, copies).items():
            row = {"suite": suite, "m": m, "n": n, "k": k, "peer": name}
            try:
                launch(0)
                torch.cuda.synchronize()
                row["spaced_us"] = spaced(launch, flush)
                row["sustained_us"] = sustained(launch, max(copies, 20 if row["spaced_us"] < 100 else 4))
            except RuntimeError as error:
                row["error"] = str(error).splitlines()[0][:200]
            results.append(row)
            print(row, flush=True)
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"device": torch.cuda.get_device_name(), "torch": torch.__version__, "results": results}, file, indent=1)
    if options.ours:
        print_ratios(results, json.load(open(options.ours))["results"])


def compared(ours, peer):
    """From bf16, the peer's product alone stands beside quantizer and product."""
    return ours["suite"].removesuffix("-bf16") == peer["suite"]


def print_ratios(peers, ours):
    """Peer's time over ours, for each shape that both ran, and the geometric mean."""
    shape = ("suite", "m", "n", "k")
    groups = {}
    for row in (row for row in peers if "error" not in row):
        for other in (other for other in ours if all(other[key] == row[key] for key in shape[1:]) and compared(other, row)):
            ratios = [row[way] / other[way] for way in ("spaced_us", "sustained_us")]
            print(*(other[key] for key in shape), f"{row['peer']} over {other['variant']}: {ratios[0]:.2f} spaced, {ratios[1]:.2f} sustained")
            groups.setdefault((other["suite"], row["peer"], row["m"]), []).append(ratios)
    for (suite, peer, m), ratios in groups.items():
        means = [statistics.geometric_mean(values) for values in zip(*ratios)]
        print(f"{suite} M={m} {peer}: geometric mean {means[0]:.3f} spaced, {means[1]:.3f} sustained")


if __name__ == "__main__":
    main()
