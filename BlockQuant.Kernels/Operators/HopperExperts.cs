using BlockQuant.Kernels.Hopper;
using BlockQuant.Kernels.Portable;
using BlockQuant.Kernels.Vector;
using BlockQuant.Scheduling;
using ILGPU;
using ILGPU.Runtime;

namespace BlockQuant;

/// <summary>The products of rows with their experts' weights on a Hopper GPU's tensor cores: which operands fit, their workspace, and the calls.</summary>
internal static class HopperExperts
{
    private const int Block = 128;

    public static bool Fits<TCode>(ExpertWeightsView<TCode> weights)
        where TCode : unmanaged
        => typeof(TCode) == typeof(Float8E4M3)
            && weights.Scheme.Granularity == ScaleGranularity.Block
            && weights.Scheme.Block == QuantizationScheme.Fp8Block128.Block
            && (weights.ScaleRowOffset | weights.ScaleColumnOffset) == 0
            && weights.Columns % HopperMultiplication.RowAlignment == 0
            && HopperMultiplication.IsAligned(weights.Codes);

    public static bool Fits<TCode>(QuantizedView<TCode> activations, ExpertWeightsView<TCode> weights)
        where TCode : unmanaged
        => Fits(weights)
            && activations.Scheme.Granularity == ScaleGranularity.TokenGroup
            && activations.Scheme.Block == QuantizationScheme.Fp8TokenGroup128.Block
            && activations.ScaleColumnOffset == 0
            && HopperMultiplication.IsAligned(activations.Codes.Data);

    /// <summary>Rows in any order are quantized by a vector kernel, which takes whole token groups.</summary>
    public static bool FitsBatched<TCode>(ExpertWeightsView<TCode> weights)
        where TCode : unmanaged
        => weights.Experts <= HopperExpertScheduler.MaxBatchedExperts && weights.Columns % Block == 0 && Fits(weights);

    public static bool FitsBatched<TCode, T>(MatrixView<T> activations, ExpertWeightsView<TCode> weights)
        where TCode : unmanaged
        where T : unmanaged
        => FitsBatched(weights) && HopperMultiplication.IsAligned(activations.Data);

    public static long GroupedWorkspaceLength<TCode>(long rows, ExpertWeightsView<TCode> weights)
        where TCode : unmanaged
        => WorkspaceParts.Slack + QuantizedLength(rows, weights) + WorkspaceParts.Length(ExpertIndices.TileOffsetsLength(weights.Experts));

    public static long BatchedWorkspaceLength<TCode>(long rows, ExpertWeightsView<TCode> weights)
        where TCode : unmanaged
        => GroupedWorkspaceLength(rows, weights) + 2 * WorkspaceParts.Length(rows) + WorkspaceParts.Length(weights.Experts);

    /// <summary>The matrix that rows are quantized into, and the tile offsets, in a workspace of <see cref="GroupedWorkspaceLength"/>.</summary>
    public static QuantizedView<TCode> Quantized<TCode>(
        ExpertWeightsView<TCode> weights, long rows, ArrayView<int> workspace, out ArrayView<int> tileOffsets)
        where TCode : unmanaged
    {
        var parts = new WorkspaceParts(workspace);
        QuantizedView<TCode> codes = Quantized(weights, rows, ref parts);
        tileOffsets = parts.Take(ExpertIndices.TileOffsetsLength(weights.Experts));
        return codes;
    }

    /// <summary>C [S, N] of quantized rows that are sorted by expert.</summary>
    public static void Grouped<TCode, T>(
        ComputeDevice device,
        QuantizedView<TCode> activations,
        ExpertWeightsView<TCode> weights,
        ArrayView<int> offsets,
        MatrixView<T> output,
        ArrayView<int> tileOffsets,
        ArrayView<int> status,
        HopperPlan plan,
        AcceleratorStream? stream)
        where TCode : unmanaged
        where T : unmanaged
    {
        IntPtr handle = device.BindCudaStream(device.Ordered(stream));
        HopperKernels kernels = device.HopperKernels;
        ExpertRows experts = ExpertIndices.Rows(offsets, weights.Experts);
        var tiles = new ExpertTileOperands
        {
            Offsets = Address(offsets),
            OffsetCount = offsets.Length,
            Lead = experts.Lead,
            Experts = weights.Experts,
            Rows = (int)activations.Rows,
            TileM = plan.TileM,
            TileOffsets = Address(tileOffsets),
            TileOffsetCount = tileOffsets.Length,
            Status = Address(status),
            StatusCount = status.Length,
        };
        kernels.ExpertTiles(tiles, handle);
        kernels.Matmul(
            Call(activations, weights, output, plan) with { Ends = Address(offsets) + experts.Lead * sizeof(int), TileOffsets = Address(tileOffsets) },
            handle);
    }

    /// <summary>C [S, N] of rows in any order: sorts them by expert, quantizes them into that order, and writes each product to its row.</summary>
    public static void Batched<TCode, T>(
        ComputeDevice device,
        MatrixView<T> activations,
        ExpertWeightsView<TCode> weights,
        ArrayView<int> expertIds,
        MatrixView<T> output,
        ArrayView<int> workspace,
        ArrayView<int> status,
        HopperPlan plan,
        AcceleratorStream? stream)
        where TCode : unmanaged
        where T : unmanaged
    {
        var parts = new WorkspaceParts(workspace);
        QuantizedView<TCode> codes = Quantized(weights, activations.Rows, ref parts);
        IntPtr handle = device.BindCudaStream(device.Ordered(stream));
        if (plan.Kind == HopperKernelKind.BatchedDecode)
        {
            BatchedFew(device.HopperKernels, activations, weights, expertIds, output, codes, status, plan, handle);
            return;
        }

        ArrayView<int> tileOffsets = parts.Take(ExpertIndices.TileOffsetsLength(weights.Experts));
        ArrayView<int> ends = parts.Take(weights.Experts), places = parts.Take(activations.Rows), rows = parts.Take(activations.Rows);
        HopperKernels kernels = device.HopperKernels;
        var sorting = new ExpertPlaceOperands
        {
            Ids = Address(expertIds),
            IdCount = expertIds.Length,
            Places = Address(places),
            PlaceCount = places.Length,
            Rows = Address(rows),
            RowCount = rows.Length,
            Ends = Address(ends),
            EndCount = ends.Length,
            TileOffsets = Address(tileOffsets),
            TileOffsetCount = tileOffsets.Length,
            Status = Address(status),
            StatusCount = status.Length,
            Experts = weights.Experts,
            TileM = plan.TileM,
        };
        kernels.ExpertPlaces(sorting, handle);
        VectorOperands quantizing = Quantizing(activations, codes) with { Places = Address(places), PlaceCount = places.Length };
        device.VectorKernels.Launch(Quantizer(Element<T>.Kind(nameof(activations))), quantizing, handle);
        kernels.Matmul(
            Call(codes, weights, output, plan) with { Ends = Address(ends), TileOffsets = Address(tileOffsets), OutputRows = Address(rows) }, handle);
    }

    /// <summary>The device address of a view; zero where it is empty.</summary>
    public static IntPtr Address<T>(ArrayView<T> view)
        where T : unmanaged
        => view.Length == 0 ? 0 : view.LoadEffectiveAddressAsPtr();

    // For rows so few that the quantizer and the product find their order themselves.
    private static void BatchedFew<TCode, T>(
        HopperKernels kernels,
        MatrixView<T> activations,
        ExpertWeightsView<TCode> weights,
        ArrayView<int> expertIds,
        MatrixView<T> output,
        QuantizedView<TCode> codes,
        ArrayView<int> status,
        HopperPlan plan,
        IntPtr stream)
        where TCode : unmanaged
        where T : unmanaged
    {
        var quantizing = new BatchedQuantizeOperands
        {
            Matrix = Quantizing(activations, codes),
            Ids = Address(expertIds),
            IdCount = expertIds.Length,
            Status = Address(status),
            StatusCount = status.Length,
            Experts = weights.Experts,
        };
        kernels.BatchedQuantize(Element<T>.Kind(nameof(activations)), quantizing, activations.Rows, stream);
        kernels.Matmul(Call(codes, weights, output, plan) with { Ids = Address(expertIds) }, stream);
    }

    private static VectorOperands Quantizing<TCode, T>(MatrixView<T> activations, QuantizedView<TCode> codes)
        where TCode : unmanaged
        where T : unmanaged
        => new()
        {
            Source = Address(activations.Data),
            SourceVectors = activations.Data.LengthInBytes / 16,
            Output = Address(codes.Codes.Data),
            OutputVectors = codes.Codes.Data.LengthInBytes / 16,
            OutputScales = Address(codes.Scales.Data),
            OutputScaleCount = codes.Scales.Data.Length,
            Columns = activations.Columns,
            Length = activations.Data.Length,
        };

    private static VectorKernel Quantizer(ElementKind kind) => kind switch
    {
        ElementKind.BFloat16 => VectorKernel.Placed<BFloat16Element>.QuantizeGroups,
        ElementKind.Float16 => VectorKernel.Placed<Float16Element>.QuantizeGroups,
        _ => VectorKernel.Placed<Float32Element>.QuantizeGroups,
    };

    private static ExpertMatmulCall Call<TCode, T>(
        QuantizedView<TCode> activations, ExpertWeightsView<TCode> weights, MatrixView<T> output, HopperPlan plan)
        where TCode : unmanaged
        where T : unmanaged
        => new()
        {
            Plan = plan,
            Rows = (int)activations.Rows,
            N = (int)weights.Rows,
            K = (int)weights.Columns,
            Experts = weights.Experts,
            Activations = Address(activations.Codes.Data),
            ActivationScales = Address(activations.Scales.Data),
            ScaleRowStride = activations.Scales.Columns,
            ScaleBlockStride = 1,
            Weights = Address(weights.Codes),
            WeightScales = Address(weights.Scales),
            Output = Address(output.Data),
            OutputType = Element<T>.Output(nameof(output)),
        };

    private static long QuantizedLength<TCode>(long rows, ExpertWeightsView<TCode> weights)
        where TCode : unmanaged
        => WorkspaceParts.Length(checked(rows * weights.Columns) / sizeof(int)) + WorkspaceParts.Length(rows * weights.ScaleColumns);

    private static QuantizedView<TCode> Quantized<TCode>(ExpertWeightsView<TCode> weights, long rows, ref WorkspaceParts parts)
        where TCode : unmanaged
    {
        ArrayView<TCode> codes = parts.Take(rows * weights.Columns / sizeof(int)).Cast<TCode>();
        ArrayView<float> scales = parts.Take(rows * weights.ScaleColumns).Cast<float>();
        return new QuantizedView<TCode>(
            new MatrixView<TCode>(codes, rows, weights.Columns),
            new MatrixView<float>(scales, rows, weights.ScaleColumns),
            QuantizationScheme.Fp8TokenGroup128);
    }
}
