using BlockQuant.Scheduling;

namespace BlockQuant.Kernels.Hopper;

/// <summary>A matmul's parameters as <see cref="PrefillKernel"/> and <see cref="DecodeKernel"/> take them, in their order.</summary>
internal struct MatmulArguments
{
    public long Output;
    public long OutputPitch;
    public int OutputType;

    /// <summary>An <see cref="OutputStore"/>.</summary>
    public int Store;
    public long RowScales;
    public long RowPitch;

    /// <summary>From one block's scale to the next block's; 0 where the copy engine brings the activations' scales.</summary>
    public long BlockPitch;
    public long WeightScales;
    public int Rows;
    public int Columns;
    public int Depth;

    /// <summary>What the two kernels differ in: row tiles of a band for Prefill, whether weights are constant for Decode.</summary>
    public int Last;

    /// <summary>The parameters of a call: pitches in bytes.</summary>
    public static MatmulArguments Of(in MatmulCall call)
    {
        bool decode = call.Plan.Kind == HopperKernelKind.Decode;
        return new MatmulArguments
        {
            Output = call.Output,
            OutputPitch = call.OutputPitch * call.ElementBytes,
            OutputType = (int)call.OutputType,
            Store = (int)StoreOf(call),
            RowScales = call.ActivationScales,
            RowPitch = call.ScaleRowStride * sizeof(float),
            BlockPitch = call.ScaleBlockStride * sizeof(float),
            WeightScales = call.WeightScales,
            Rows = call.M,
            Columns = call.N,
            Depth = call.K,
            Last = decode ? (call.ConstantWeights ? 1 : 0) : call.Plan.GroupM,
        };
    }

    /// <summary>Rows of the boxes in which the copy engine reads the activations.</summary>
    public static int ActivationBox(in MatmulCall call) =>
        call.Plan.Kind == HopperKernelKind.Prefill ? PrefillRing.BoxRows(call.M) : call.Plan.TileM;

    /// <summary>
    /// Whether the copy engine brings the scales: those of four blocks of K at a time, which must be 16 bytes, aligned to as many, in every
    /// row of activations and of weight blocks.
    /// </summary>
    public static bool BringsScales(in MatmulCall call, int multiprocessors) =>
        HopperScheduler.BringsScales(call.Plan, call.M, call.N, call.K, multiprocessors) && call.ScaleBlockStride == 1
        && HopperKernels.Tiles(call.K, 128) % ScaleSlots.Blocks == 0
        && ((call.ActivationScales | call.WeightScales | call.ScaleRowStride * sizeof(float)) & 15) == 0;

    /// <summary>Rows of the boxes in which the copy engine reads the weights.</summary>
    public static int WeightBox(in HopperPlan plan) => plan.Pairs ? plan.TileN / 2 : plan.TileN;

    /// <summary>Dynamic shared memory of the launch of a kernel.</summary>
    public static int SharedBytes(in MatmulCall call, HopperKernel kernel, int multiprocessors) =>
        call.Plan.Kind == HopperKernelKind.Decode
            ? DecodeKernel.SharedBytes(
                Math.Min(HopperScheduler.Residents(call.Plan, call.M, call.N, call.K, multiprocessors), kernel.BlocksPerMultiprocessor))
            : kernel.SharedBytes;

    /// <summary>Blocks of the launch: one for each part of a tile for Decode, as many as run at once for Prefill.</summary>
    public static int Blocks(in MatmulCall call, int multiprocessors)
    {
        int tiles = checked(HopperKernels.Tiles(call.M, call.Plan.TileM) * HopperKernels.Tiles(call.N, call.Plan.TileN));
        // A pair that did not lie in one column of tiles would not share its weights.
        if (call.Plan.Pairs && (HopperKernels.Tiles(call.M, call.Plan.TileM) | call.Plan.GroupM) % 2 != 0)
            throw new ArgumentException($"{call.Plan} takes an even number of row tiles, and bands of it; {call.M} rows are given.", nameof(call));
        return call.Plan.Kind == HopperKernelKind.Decode ? tiles * call.Plan.SplitK
            : Math.Min(tiles, call.Plan.Pairs ? Math.Max(2, multiprocessors & ~1) : multiprocessors);
    }

    /// <summary>How a kernel writes elements of a size without the copy engine.</summary>
    public static OutputStore PlainStore(in MatmulCall call, int elementBytes)
    {
        // Four elements at a time from Decode, sixteen bytes from Prefill.
        bool decode = call.Plan.Kind == HopperKernelKind.Decode;
        int chunk = decode ? 4 * elementBytes : 16;
        long alignment = call.Output | call.OutputPitch * elementBytes | (decode ? 0 : (long)call.N * elementBytes);
        return alignment % chunk == 0 ? OutputStore.Vectors : OutputStore.Elements;
    }

    private static OutputStore StoreOf(in MatmulCall call)
    {
        var plain = PlainStore(call, call.ElementBytes);
        bool boxes = plain == OutputStore.Vectors && call.Plan.OverlapStores && call.ElementBytes == 2 && OutputBoxes.Takes(call.Plan.TileN);
        return boxes ? OutputStore.Boxes : plain;
    }
}
