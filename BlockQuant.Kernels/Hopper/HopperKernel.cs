using System.Collections.Frozen;
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
    // A kernel, its family, and what tells it from others of the family: the extent of its tile that varies, or the type of its rows. In the order
    // in which they are compiled, on which their registers depend.
    private static readonly (HopperFamily Family, int Extent, HopperKernel Kernel)[] Entries =
    [
        .. HopperScheduler.PrefillWidths.Order().Select(width => (HopperFamily.Prefill, width, Prefill(width))),
        .. HopperScheduler.DecodeTokens.Select(tokens => (HopperFamily.Decode, tokens, Decode(tokens))),
        .. HopperExpertScheduler.DecodeRows.Select(rows => (HopperFamily.GroupedDecode, rows, GroupedDecode(rows))),
        .. HopperScheduler.QuantizingTokens.Select(tokens => (HopperFamily.FusedDecode, tokens, FusedDecode(tokens))),
        (HopperFamily.GroupedPrefill, GroupedPrefillKernel.TileN, GroupedPrefill),
        (HopperFamily.GroupedPrefill, GroupedRaggedKernel.TileN, GroupedRagged),
        (HopperFamily.ExpertTiles, 0, ExpertTiles),
        (HopperFamily.ExpertPlaces, 0, ExpertPlaces),
        (HopperFamily.BatchedDecode, BatchedRows.TileM, BatchedDecode),
        .. Enum.GetValues<ElementKind>().Select(element => (HopperFamily.BatchedQuantize, (int)element, BatchedQuantize(element))),
        (HopperFamily.PrefillPairs, HopperScheduler.PairedWidth, PrefillPairs),
        .. Int8Scheduler.Widths.Order().Select(width => (HopperFamily.Int8Prefill, width, Int8("int8_prefill", "Tile", width))),
        .. Int8Scheduler.QuantizingWidths.Order().Select(width => (HopperFamily.Int8Quantize, width, Int8("int8_quantize", "Quantize", width))),
        .. HopperScheduler.DecodeTokens.Select(tokens => (HopperFamily.Int8Decode, tokens, Int8Decode(tokens))),
        .. HopperScheduler.NarrowTokens.Select(tokens => (HopperFamily.NarrowDecode, tokens, NarrowDecode(tokens))),
        .. HopperScheduler.QuantizingTokens.Select(tokens => (HopperFamily.NarrowFusedDecode, tokens, NarrowFusedDecode(tokens))),
    ];

    private static readonly FrozenDictionary<(HopperFamily Family, int Extent), int> Places =
        Entries.Select((entry, place) => KeyValuePair.Create((entry.Family, entry.Extent), place)).ToFrozenDictionary();

    /// <summary>Every kernel there is.</summary>
    public static IReadOnlyList<HopperKernel> All { get; } = Array.ConvertAll(Entries, entry => entry.Kernel);

    /// <summary>Where in <see cref="All"/> the kernel is that finds every expert's row tiles.</summary>
    public static int ExpertTilesIndex { get; } = Places[(HopperFamily.ExpertTiles, 0)];

    /// <summary>Where in <see cref="All"/> the kernel is that sorts rows by expert.</summary>
    public static int ExpertPlacesIndex { get; } = Places[(HopperFamily.ExpertPlaces, 0)];

    /// <summary>Where in <see cref="All"/> the kernel is that sorts and quantizes rows of a type for <see cref="BatchedDecodeKernel"/>.</summary>
    public static int BatchedQuantizeIndex(ElementKind element) => Places[(HopperFamily.BatchedQuantize, (int)element)];

    /// <summary>Where in <see cref="All"/> the kernel of a call is.</summary>
    public static int IndexOf(in MatmulCall call)
    {
        if (!call.QuantizesActivations)
            return IndexOf(call.Plan);
        var family = HopperScheduler.IsNarrow(call.Plan) ? HopperFamily.NarrowFusedDecode : HopperFamily.FusedDecode;
        return HopperScheduler.CanQuantize(call.Plan) && Places.TryGetValue((family, call.Plan.TileM), out int place)
            ? place
            : throw new ArgumentException($"No Hopper kernel that quantizes has the tile of {call.Plan}.", nameof(call));
    }

    /// <summary>Where in <see cref="All"/> the kernel of a plan is.</summary>
    public static int IndexOf(in HopperPlan plan)
    {
        (HopperFamily Family, int Extent) key = plan.Kind switch
        {
            HopperKernelKind.Prefill => (plan.Pairs ? HopperFamily.PrefillPairs : HopperFamily.Prefill, plan.TileN),
            HopperKernelKind.Decode => (HopperScheduler.IsNarrow(plan) ? HopperFamily.NarrowDecode : HopperFamily.Decode, plan.TileM),
            HopperKernelKind.GroupedPrefill => (HopperFamily.GroupedPrefill, plan.TileN),
            HopperKernelKind.GroupedDecode => (HopperFamily.GroupedDecode, plan.TileM),
            _ => (HopperFamily.BatchedDecode, plan.TileM),
        };
        return Places.TryGetValue(key, out int place)
            ? place
            : throw new ArgumentException($"No Hopper kernel has the tile of {plan}.", nameof(plan));
    }

    /// <summary>Where in <see cref="All"/> the INT8 kernel of a plan is.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="quantizes">True for the kernel that quantizes its output.</param>
    public static int IndexOfInt8(in HopperPlan plan, bool quantizes)
    {
        (HopperFamily Family, int Extent) key = plan.Kind == HopperKernelKind.Decode
            ? (HopperFamily.Int8Decode, plan.TileM)
            : (quantizes ? HopperFamily.Int8Quantize : HopperFamily.Int8Prefill, plan.TileN);
        return Places.TryGetValue(key, out int place)
            ? place
            : throw new ArgumentException($"No Hopper INT8 kernel has the tile of {plan}.", nameof(plan));
    }

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

    private static HopperKernel Int8Decode(int tokens) => new(
        $"int8_decode_{tokens}", typeof(Int8DecodeKernel), $"Tile{tokens}", DecodeKernel.Threads, tokens <= 64 ? 2 : 1,
        DecodeKernel.SharedBytes(residents: 1));

    private static HopperKernel Int8(string name, string method, int tileN) => new(
        $"{name}_{tileN}", typeof(Int8PrefillKernel), $"{method}{tileN}", PrefillRing.Threads, 1, Int8PrefillKernel.SharedBytes(tileN));

    private static HopperKernel Prefill(int tileN) => new(
        $"prefill_{tileN}", typeof(PrefillKernel), $"Tile{tileN}", PrefillRing.Threads, 1, PrefillKernel.SharedBytes(tileN));

    private static HopperKernel PrefillPairs => new(
        "prefill_256_pairs", typeof(PrefillKernel), nameof(PrefillKernel.Tile256Pairs), PrefillRing.Threads, 1,
        PrefillKernel.SharedBytes(HopperScheduler.PairedWidth));

    private static HopperKernel Decode(int tokens) => new(
        $"decode_{tokens}", typeof(DecodeKernel), $"Tile{tokens}", DecodeKernel.Threads, tokens <= 64 ? 2 : 1,
        DecodeKernel.SharedBytes(residents: 1));

    private static HopperKernel NarrowDecode(int tokens) => new(
        $"decode_narrow_{tokens}", typeof(DecodeKernel), $"Narrow{tokens}", DecodeKernel.Threads, tokens <= 16 ? 3 : 2,
        DecodeKernel.SharedBytes(residents: 1));

    private static HopperKernel FusedDecode(int tokens) => new(
        $"fused_decode_{tokens}", typeof(FusedDecodeKernel), $"Tile{tokens}", FusedDecodeKernel.Threads, 2,
        DecodeKernel.SharedBytes(residents: 1));

    private static HopperKernel NarrowFusedDecode(int tokens) => new(
        $"fused_decode_narrow_{tokens}", typeof(FusedDecodeKernel), $"Narrow{tokens}", FusedDecodeKernel.Threads, 2,
        DecodeKernel.SharedBytes(residents: 1));

    private static HopperKernel GroupedDecode(int tokens) => new(
        $"grouped_decode_{tokens}", typeof(GroupedDecodeKernel), $"Tile{tokens}", GroupedDecodeKernel.Threads, 1,
        GroupedDecodeKernel.SharedBytes(tokens));
}
