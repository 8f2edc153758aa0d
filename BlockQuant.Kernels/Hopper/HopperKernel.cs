using BlockQuant.Kernels.Portable;
using BlockQuant.Scheduling;

namespace BlockQuant.Kernels.Hopper;

/// <summary>A kernel that is compiled ahead of time: its C# method and how it is launched.</summary>
/// <param name="Name">Name of the PTX entry and of its file.</param>
/// <param name="Type">Class of the method.</param>
/// <param name="Method">The method.</param>
/// <param name="Threads">Threads of a block.</param>
/// <param name="BlocksPerMultiprocessor">Blocks that must fit on a multiprocessor at once.</param>
/// <param name="SharedBytes">Dynamic shared memory of a launch, at most.</param>
internal sealed record HopperKernel(
    string Name, Type Type, string Method, int Threads, int BlocksPerMultiprocessor, int SharedBytes)
{
    private static readonly int[] PrefillWidths = [32, 64, 128, 144, 192, 256];
    private static readonly int[] DecodeTokens = [8, 16, 32, 64, 128];
    private static readonly int[] FusedDecodeTokens = [8, 16];
    private static readonly int[] GroupedDecodeTokens = [16, 32, 64];
    private static readonly ElementKind[] QuantizedElements = [ElementKind.BFloat16, ElementKind.Float16, ElementKind.Float32];

    private static readonly int[] Int8Widths = [128, 192, 256];
    private static readonly int[] QuantizeWidths = [128, 256];

    /// <summary>Every kernel there is.</summary>
    public static IReadOnlyList<HopperKernel> All { get; } =
    [
        .. PrefillWidths.Select(Prefill),
        .. DecodeTokens.Select(Decode),
        .. GroupedDecodeTokens.Select(GroupedDecode),
        .. FusedDecodeTokens.Select(FusedDecode),
        GroupedPrefill,
        GroupedRagged,
        ExpertTiles,
        ExpertPlaces,
        BatchedDecode,
        .. QuantizedElements.Select(BatchedQuantize),
        PrefillPairs,
        .. Int8Widths.Select(width => Int8("int8_prefill", "Tile", width)),
        .. QuantizeWidths.Select(width => Int8("int8_quantize", "Quantize", width)),
        .. DecodeTokens.Select(Int8Decode),
    ];

    private static int PrefillPairsIndex { get; } = All.ToList().IndexOf(PrefillPairs);

    private static int GroupedPrefillIndex { get; } = All.ToList().IndexOf(GroupedPrefill);

    private static int GroupedRaggedIndex { get; } = All.ToList().IndexOf(GroupedRagged);

    /// <summary>Where in <see cref="All"/> the kernel is that finds every expert's row tiles.</summary>
    public static int ExpertTilesIndex { get; } = All.ToList().IndexOf(ExpertTiles);

    /// <summary>Where in <see cref="All"/> the kernel is that sorts rows by expert.</summary>
    public static int ExpertPlacesIndex { get; } = All.ToList().IndexOf(ExpertPlaces);

    /// <summary>Where in <see cref="All"/> the kernel is that sorts and quantizes rows of a type for <see cref="BatchedDecodeKernel"/>.</summary>
    public static int BatchedQuantizeIndex(ElementKind element) =>
        BatchedDecodeIndex + 1 + Array.IndexOf(QuantizedElements, element);

    private static int BatchedDecodeIndex { get; } = All.ToList().IndexOf(BatchedDecode);

    private static readonly int FirstInt8 = All.Count - Int8Widths.Length - QuantizeWidths.Length - DecodeTokens.Length;

    /// <summary>Where in <see cref="All"/> the kernel of a call is.</summary>
    public static int IndexOf(in MatmulCall call)
    {
        if (!call.QuantizesActivations)
            return IndexOf(call.Plan);
        int index = call.Plan.Kind == HopperKernelKind.Decode ? Array.IndexOf(FusedDecodeTokens, call.Plan.TileM) : -1;
        return index >= 0
            ? PrefillWidths.Length + DecodeTokens.Length + GroupedDecodeTokens.Length + index
            : throw new ArgumentException($"No Hopper kernel that quantizes has the tile of {call.Plan}.", nameof(call));
    }

    /// <summary>Where in <see cref="All"/> the kernel of a plan is.</summary>
    public static int IndexOf(in HopperPlan plan)
    {
        if (plan.Kind == HopperKernelKind.GroupedPrefill)
            return plan.TileN == GroupedPrefillKernel.TileN ? GroupedPrefillIndex : GroupedRaggedIndex;
        if (plan.Kind == HopperKernelKind.BatchedDecode)
            return BatchedDecodeIndex;
        if (plan.Pairs)
            return PrefillPairsIndex;
        var (widths, extent, first) = plan.Kind switch
        {
            HopperKernelKind.Prefill => (PrefillWidths, plan.TileN, 0),
            HopperKernelKind.Decode => (DecodeTokens, plan.TileM, PrefillWidths.Length),
            _ => (GroupedDecodeTokens, plan.TileM, PrefillWidths.Length + DecodeTokens.Length),
        };
        int index = Array.IndexOf(widths, extent);
        return index >= 0 ? first + index : throw new ArgumentException($"No Hopper kernel has the tile of {plan}.", nameof(plan));
    }

    // Properties, since the list of all kernels is made before what is written below it.
    private static HopperKernel GroupedPrefill => new(
        "grouped_prefill", typeof(GroupedPrefillKernel), nameof(GroupedPrefillKernel.Run), GroupedPrefillKernel.Threads, 1,
        GroupedPrefillKernel.SharedBytes);

    private static HopperKernel GroupedRagged => new(
        "grouped_ragged", typeof(GroupedRaggedKernel), nameof(GroupedRaggedKernel.Run), GroupedRaggedKernel.Threads, 1,
        GroupedRaggedKernel.SharedBytes);

    private static HopperKernel ExpertTiles => new(
        "expert_tiles", typeof(ExpertPreparation), nameof(ExpertPreparation.Tiles), ExpertTileOffsetsKernel.MaxLanes, 1, 0);

    private static HopperKernel ExpertPlaces => new(
        "expert_places", typeof(ExpertPreparation), nameof(ExpertPreparation.Places), ExpertPlacesKernel.MaxLanes, 1, 0);

    private static HopperKernel BatchedDecode => new(
        "batched_decode", typeof(BatchedDecodeKernel), nameof(BatchedDecodeKernel.Run), BatchedDecodeKernel.Threads, 2,
        BatchedDecodeKernel.SharedBytes);

    private static HopperKernel BatchedQuantize(ElementKind element) => new(
        $"batched_quantize_{ShortName(element)}", typeof(BatchedQuantizeKernel), element.ToString(), BatchedQuantizeKernel.Threads, 4, 0);

    private static string ShortName(ElementKind element) =>
        element switch { ElementKind.BFloat16 => "bf16", ElementKind.Float16 => "f16", _ => "f32" };

    /// <summary>Where in <see cref="All"/> the INT8 kernel of a plan is.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="quantizes">True for the kernel that quantizes its output.</param>
    public static int IndexOfInt8(in HopperPlan plan, bool quantizes)
    {
        int quantizers = FirstInt8 + Int8Widths.Length;
        var (extents, extent, first) = plan.Kind == HopperKernelKind.Decode ? (DecodeTokens, plan.TileM, quantizers + QuantizeWidths.Length)
            : quantizes ? (QuantizeWidths, plan.TileN, quantizers)
            : (Int8Widths, plan.TileN, FirstInt8);
        int index = Array.IndexOf(extents, extent);
        return index >= 0 ? first + index : throw new ArgumentException($"No Hopper INT8 kernel has the tile of {plan}.", nameof(plan));
    }

    private static HopperKernel Int8Decode(int tokens) => new(
        $"int8_decode_{tokens}", typeof(Int8DecodeKernel), $"Tile{tokens}", DecodeKernel.Threads, tokens <= 64 ? 2 : 1,
        DecodeKernel.SharedBytes(tokens, alone: true));

    private static HopperKernel Int8(string name, string method, int tileN) => new(
        $"{name}_{tileN}", typeof(Int8PrefillKernel), $"{method}{tileN}", PrefillRing.Threads, 1, Int8PrefillKernel.SharedBytes(tileN));

    private static HopperKernel Prefill(int tileN) => new(
        $"prefill_{tileN}", typeof(PrefillKernel), $"Tile{tileN}", PrefillRing.Threads, 1, PrefillKernel.SharedBytes(tileN));

    private static HopperKernel PrefillPairs => new(
        "prefill_256_pairs", typeof(PrefillKernel), nameof(PrefillKernel.Tile256Pairs), PrefillRing.Threads, 1, PrefillKernel.SharedBytes(256));

    private static HopperKernel Decode(int tokens) => new(
        $"decode_{tokens}", typeof(DecodeKernel), $"Tile{tokens}", DecodeKernel.Threads, tokens <= 64 ? 2 : 1,
        DecodeKernel.SharedBytes(tokens, alone: true));

    private static HopperKernel FusedDecode(int tokens) => new(
        $"fused_decode_{tokens}", typeof(FusedDecodeKernel), $"Tile{tokens}", FusedDecodeKernel.Threads, 2,
        DecodeKernel.SharedBytes(tokens, alone: true));

    private static HopperKernel GroupedDecode(int tokens) => new(
        $"grouped_decode_{tokens}", typeof(GroupedDecodeKernel), $"Tile{tokens}", GroupedDecodeKernel.Threads, 1,
        GroupedDecodeKernel.SharedBytes(tokens));
}
