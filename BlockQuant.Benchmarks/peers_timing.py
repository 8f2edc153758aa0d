"""The two ways in which a peer is timed, and what is known of it. Used by peers.py."""
import statistics
import time
from typing import Callable, NamedTuple, Optional

import torch


class Peer(NamedTuple):
    """A product of another library."""

    launch: Callable[[int], torch.Tensor]  # takes the turn, by which weights rotate
    variant: str = ""  # what the compared results' variant begins with
    operations: float = 0
    bytes: float = 0
    error: Optional[Callable[[torch.Tensor], float]] = None  # of an output, against float64


def spaced(launch, flush):
    """Microseconds of a launch on a cold L2 with an idle device before it."""
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


def sustained(launch, launches, seconds=0.12):
    """Microseconds of a launch among launches back to back, under load for as long as the suites' own."""
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


def measure(peer, copies, flush):
    """The fields of a peer's row; a peer that fails, or computes something else, says so in its row and is not timed."""
    row = {}
    try:
        output = peer.launch(0)
        torch.cuda.synchronize()
        if peer.variant:
            row["variant"] = peer.variant
        if peer.operations:
            row |= {"operations": peer.operations, "bytes": peer.bytes}
        if peer.error:
            row["error"] = peer.error(output)
            if not row["error"] < 0.05:
                return row | {"failure": "the result is wrong"}
        row["spaced_us"] = spaced(peer.launch, flush)
        row["sustained_us"] = sustained(peer.launch, max(copies, 20 if row["spaced_us"] < 100 else 4))
    except Exception as failure:
        row["failure"] = f"{type(failure).__name__}: {failure}".splitlines()[0][:200]
    return row


def fp8(rows, columns):
    """Normally distributed codes."""
    return torch.randn(rows, columns, device="cuda").mul_(100).clamp_(-448, 448).to(torch.float8_e4m3fn)
