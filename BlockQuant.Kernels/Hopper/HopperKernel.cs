using BlockQuant.Scheduling;

namespace BlockQuant.Kernels.Hopper;

/// <summary>A kernel that is compiled ahead of time: its C# method and how it is launched.</summary>
/// <param name="Name">Name of the PTX entry and of its file.</param>
/// <param name="Type">Class of the method.</param>
/// <param name="Method">The method.</param>
/// <param name="Threads">Threads of a block.</param>
/// <param name="BlocksPerMultiprocessor">Blocks that must fit on a multiprocessor at once.</param>
/// <param name="SharedBytes">Dynamic shared memory of a launch.</param>
internal sealed record HopperKernel(
    string Name, Type Type, string Method, int Threads, int BlocksPerMultiprocessor, int SharedBytes)
{
    private static readonly int[] PrefillWidths = [128, 144, 192, 256];
    private static readonly int[] DecodeTokens = [8, 16, 32, 64, 128];

    /// <summary>Every kernel there is.</summary>
    public static IReadOnlyList<HopperKernel> All { get; } =
    [
        .. PrefillWidths.Select(Prefill),
        .. DecodeTokens.Select(Decode),
    ];

    /// <summary>Where in <see cref="All"/> the kernel of a plan is.</summary>
    public static int IndexOf(in HopperPlan plan)
    {
        var (widths, extent, first) = plan.Kind == HopperKernelKind.Prefill
            ? (PrefillWidths, plan.TileN, 0)
            : (DecodeTokens, plan.TileM, PrefillWidths.Length);
        int index = Array.IndexOf(widths, extent);
        return index >= 0 ? first + index : throw new ArgumentException($"No Hopper kernel has the tile of {plan}.", nameof(plan));
    }

    private static HopperKernel Prefill(int tileN) => new(
        $"prefill_{tileN}", typeof(PrefillKernel), $"Tile{tileN}", PrefillKernel.Threads, 1, PrefillKernel.SharedBytes(tileN));

    private static HopperKernel Decode(int tokens) => new(
        $"decode_{tokens}", typeof(DecodeKernel), $"Tile{tokens}", DecodeKernel.Threads, tokens <= 64 ? 2 : 1, DecodeKernel.SharedBytes(tokens));
}
