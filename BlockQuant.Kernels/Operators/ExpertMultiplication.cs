using BlockQuant.Kernels;
using BlockQuant.Kernels.Portable;
using BlockQuant.Scheduling;
using ILGPU;
using ILGPU.Runtime;

namespace BlockQuant;

/// <summary>Products of rows with the weights of their experts, for every eight-bit format: validate, plan, launch.</summary>
internal static class ExpertMultiplication
{
    public static void Batched<TCode, T, TFormat>(
        ComputeDevice device,
        MatrixView<T> activations,
        ExpertWeightsView<TCode> weights,
        ArrayView<int> expertIds,
        MatrixView<T> output,
        ElementFormat format,
        ArrayView<int> workspace,
        ArrayView<int> status,
        TilePlanOverrides? overrides,
        AcceleratorStream? stream)
        where TCode : unmanaged
        where T : unmanaged
        where TFormat : struct, ICodeFormat
    {
        RequireWeights(device, weights, format);
        RequireRaw(device, activations, weights, output);
        Require.Length(expertIds, activations.Rows, nameof(expertIds));
        Require.Memory(device, expertIds, nameof(expertIds));
        Require.Disjoint(output.Data, nameof(output), expertIds, nameof(expertIds));
        RequireStatus(device, status, activations.Data, weights, expertIds, nameof(expertIds), output, workspace);
        ElementKind kind = Element<T>.Kind(nameof(activations));
        HopperPlan? plan = TileScheduler.PlanBatched(
            activations.Rows, weights.Experts, weights.Rows, weights.Columns, device.Traits, overrides, HopperExperts.FitsBatched(activations, weights));
        RequireWorkspace(device, workspace, plan is null ? 0 : HopperExperts.BatchedWorkspaceLength(activations.Rows, weights), output, activations.Data, weights);
        Require.Disjoint(workspace, nameof(workspace), expertIds, nameof(expertIds));
        if (activations.Rows == 0)
        {
            return;
        }

        if (plan is { } hopper)
        {
            HopperExperts.Batched(device, activations, weights, expertIds, output, workspace, status, hopper, stream);
            return;
        }

        ExpertIndices.CheckIds(device, expertIds, weights.Experts, status, stream);
        switch (kind)
        {
            case ElementKind.BFloat16:
                LaunchBatched<TCode, ushort, BFloat16Element, TFormat>(
                    device, activations.Data.Cast<ushort>(), weights, expertIds, output.Data.Cast<ushort>(), stream);
                break;
            case ElementKind.Float16:
                LaunchBatched<TCode, ushort, Float16Element, TFormat>(
                    device, activations.Data.Cast<ushort>(), weights, expertIds, output.Data.Cast<ushort>(), stream);
                break;
            default:
                LaunchBatched<TCode, float, Float32Element, TFormat>(
                    device, activations.Data.Cast<float>(), weights, expertIds, output.Data.Cast<float>(), stream);
                break;
        }
    }

    public static void Grouped<TCode, T, TFormat>(
        ComputeDevice device,
        MatrixView<T> activations,
        ExpertWeightsView<TCode> weights,
        ArrayView<int> offsets,
        MatrixView<T> output,
        ElementFormat format,
        ArrayView<int> workspace,
        ArrayView<int> status,
        TilePlanOverrides? overrides,
        AcceleratorStream? stream)
        where TCode : unmanaged
        where T : unmanaged
        where TFormat : struct, ICodeFormat
    {
        RequireWeights(device, weights, format);
        RequireRaw(device, activations, weights, output);
        RequireStatus(device, status, activations.Data, weights, offsets, nameof(offsets), output, workspace);
        TilePlan plan = RequireGroups(device, activations.Rows, weights, offsets, output, overrides, HopperExperts.Fits(weights));
        RequireWorkspace(device, workspace, GroupedWorkspaceLength(plan, activations.Rows, weights), output, activations.Data, weights);
        Require.Disjoint(workspace, nameof(workspace), offsets, nameof(offsets));
        ElementKind kind = Element<T>.Kind(nameof(activations));
        if (weights.Experts == 0)
        {
            return;
        }

        if (plan.Hopper is { } hopper)
        {
            QuantizedView<TCode> codes = HopperExperts.Quantized(weights, activations.Rows, workspace, out ArrayView<int> tileOffsets);
            Quantization.Quantize<TCode, T, TFormat>(device, activations, codes, format, stream);
            HopperExperts.Grouped(device, codes, weights, offsets, output, tileOffsets, status, hopper, stream);
            return;
        }

        ExpertIndices.TileOffsets(device, offsets, weights.Experts, activations.Rows, plan.TileM, workspace, status, stream);
        switch (kind)
        {
            case ElementKind.BFloat16:
                LaunchRaw<TCode, ushort, BFloat16Element, TFormat>(
                    device, activations.Data.Cast<ushort>(), weights, offsets, output.Data.Cast<ushort>(), activations.Rows, workspace, plan, stream);
                break;
            case ElementKind.Float16:
                LaunchRaw<TCode, ushort, Float16Element, TFormat>(
                    device, activations.Data.Cast<ushort>(), weights, offsets, output.Data.Cast<ushort>(), activations.Rows, workspace, plan, stream);
                break;
            default:
                LaunchRaw<TCode, float, Float32Element, TFormat>(
                    device, activations.Data.Cast<float>(), weights, offsets, output.Data.Cast<float>(), activations.Rows, workspace, plan, stream);
                break;
        }
    }

    public static void Grouped<TCode, T, TFormat>(
        ComputeDevice device,
        QuantizedView<TCode> activations,
        ExpertWeightsView<TCode> weights,
        ArrayView<int> offsets,
        MatrixView<T> output,
        ElementFormat format,
        ArrayView<int> workspace,
        ArrayView<int> status,
        TilePlanOverrides? overrides,
        AcceleratorStream? stream)
        where TCode : unmanaged
        where T : unmanaged
        where TFormat : struct, ICodeFormat
    {
        Require.Quantized(device, activations, format, nameof(activations));
        RequireWeights(device, weights, format);
        RequireShapes(device, activations.Rows, activations.Columns, weights, output);
        Require.Disjoint(output.Data, nameof(output), activations.Codes.Data, "activation codes");
        Require.Disjoint(output.Data, nameof(output), activations.Scales.Data, "activation scales");
        RequireStatus(device, status, activations.Codes.Data, weights, offsets, nameof(offsets), output, workspace);
        Require.Disjoint(status, nameof(status), activations.Scales.Data, "activation scales");
        TilePlan plan = RequireGroups(device, activations.Rows, weights, offsets, output, overrides, HopperExperts.Fits(activations, weights));
        RequireWorkspace(device, workspace, ExpertIndices.TileOffsetsLength(weights.Experts), output, activations.Codes.Data, weights);
        Require.Disjoint(workspace, nameof(workspace), activations.Scales.Data, "activation scales");
        Require.Disjoint(workspace, nameof(workspace), offsets, nameof(offsets));
        ElementKind kind = Element<T>.Kind(nameof(output));
        if (weights.Experts == 0)
        {
            return;
        }

        if (plan.Hopper is { } hopper)
        {
            HopperExperts.Grouped(device, activations, weights, offsets, output, workspace, status, hopper, stream);
            return;
        }

        ExpertIndices.TileOffsets(device, offsets, weights.Experts, activations.Rows, plan.TileM, workspace, status, stream);
        switch (kind)
        {
            case ElementKind.BFloat16:
                LaunchQuantized<TCode, ushort, BFloat16Element, TFormat>(
                    device, activations, weights, offsets, output.Data.Cast<ushort>(), workspace, plan, stream);
                break;
            case ElementKind.Float16:
                LaunchQuantized<TCode, ushort, Float16Element, TFormat>(
                    device, activations, weights, offsets, output.Data.Cast<ushort>(), workspace, plan, stream);
                break;
            default:
                LaunchQuantized<TCode, float, Float32Element, TFormat>(
                    device, activations, weights, offsets, output.Data.Cast<float>(), workspace, plan, stream);
                break;
        }
    }

    /// <summary>Integers of workspace that a grouped product of full-precision rows needs.</summary>
    public static long GroupedWorkspaceLength<TCode>(TilePlan plan, long rows, ExpertWeightsView<TCode> weights)
        where TCode : unmanaged
        => plan.Hopper is null ? ExpertIndices.TileOffsetsLength(weights.Experts) : HopperExperts.GroupedWorkspaceLength(rows, weights);

    /// <summary>What a workspace is asked for can be multiplied.</summary>
    public static void RequireSizes<TCode>(ComputeDevice device, long rows, ExpertWeightsView<TCode> weights, ElementFormat format)
        where TCode : unmanaged
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        ExpertIndices.RequireCount(rows, nameof(rows));
        RequireWeights(device, weights, format);
    }

    private static void RequireWeights<TCode>(ComputeDevice device, ExpertWeightsView<TCode> weights, ElementFormat format)
        where TCode : unmanaged
    {
        if (weights.Scheme is null)
        {
            throw new ArgumentNullException(nameof(weights));
        }

        if (weights.Scheme.Format != format)
        {
            throw new ArgumentException($"weights: format {weights.Scheme.Format}; expected {format}.", nameof(weights));
        }

        Require.Memory(device, weights.Codes, nameof(weights));
        Require.Memory(device, weights.Scales, nameof(weights));
    }

    private static void RequireRaw<TCode, T>(
        ComputeDevice device, MatrixView<T> activations, ExpertWeightsView<TCode> weights, MatrixView<T> output)
        where TCode : unmanaged
        where T : unmanaged
    {
        Require.Memory(device, activations.Data, nameof(activations));
        RequireShapes(device, activations.Rows, activations.Columns, weights, output);
        Require.Disjoint(output.Data, nameof(output), activations.Data, nameof(activations));
    }

    private static void RequireShapes<TCode, T>(
        ComputeDevice device, long rows, long columns, ExpertWeightsView<TCode> weights, MatrixView<T> output)
        where TCode : unmanaged
        where T : unmanaged
    {
        if (weights.Columns != columns)
        {
            throw new ArgumentException(
                $"weights: shape {weights.Shape}; expected [E, N, {columns}], the K of activations [{rows}, {columns}].", nameof(weights));
        }

        ExpertIndices.RequireCount(rows, "activations");
        if (weights.Experts == 0 && rows > 0)
        {
            throw new ArgumentException($"weights: shape {weights.Shape}; expected at least one expert for {rows} rows.", nameof(weights));
        }

        Require.Shape(output, rows, weights.Rows, nameof(output));
        Require.Memory(device, output.Data, nameof(output));
        Require.Disjoint(output.Data, nameof(output), weights.Codes, "weight codes");
        Require.Disjoint(output.Data, nameof(output), weights.Scales, "weight scales");
    }

    private static TilePlan RequireGroups<TCode, T>(
        ComputeDevice device,
        long rows,
        ExpertWeightsView<TCode> weights,
        ArrayView<int> offsets,
        MatrixView<T> output,
        TilePlanOverrides? overrides,
        bool fitsTensorCores)
        where TCode : unmanaged
        where T : unmanaged
    {
        ExpertIndices.RequireOffsets(device, offsets, weights.Experts);
        Require.Disjoint(output.Data, nameof(output), offsets, nameof(offsets));
        return TileScheduler.PlanGrouped(rows, weights.Experts, weights.Rows, weights.Columns, device.Traits, overrides, fitsTensorCores);
    }

    private static void RequireStatus<TCode, T, TActivation>(
        ComputeDevice device,
        ArrayView<int> status,
        ArrayView<TActivation> activations,
        ExpertWeightsView<TCode> weights,
        ArrayView<int> indices,
        string indicesName,
        MatrixView<T> output,
        ArrayView<int> workspace)
        where TCode : unmanaged
        where T : unmanaged
        where TActivation : unmanaged
    {
        Require.OptionalStatus(device, status);
        Require.Disjoint(status, nameof(status), activations, nameof(activations));
        Require.Disjoint(status, nameof(status), weights.Codes, "weight codes");
        Require.Disjoint(status, nameof(status), weights.Scales, "weight scales");
        Require.Disjoint(status, nameof(status), indices, indicesName);
        Require.Disjoint(status, nameof(status), output.Data, nameof(output));
        Require.Disjoint(status, nameof(status), workspace, nameof(workspace));
    }

    private static void RequireWorkspace<TCode, T, TActivation>(
        ComputeDevice device,
        ArrayView<int> workspace,
        long length,
        MatrixView<T> output,
        ArrayView<TActivation> activations,
        ExpertWeightsView<TCode> weights)
        where TCode : unmanaged
        where T : unmanaged
        where TActivation : unmanaged
    {
        Require.Workspace(device, workspace, length);
        Require.Disjoint(output.Data, nameof(output), workspace, nameof(workspace));
        Require.Disjoint(workspace, nameof(workspace), activations, nameof(activations));
        Require.Disjoint(workspace, nameof(workspace), weights.Codes, "weight codes");
        Require.Disjoint(workspace, nameof(workspace), weights.Scales, "weight scales");
    }

    private static void LaunchBatched<TCode, TBits, TElement, TFormat>(
        ComputeDevice device,
        ArrayView<TBits> activations,
        ExpertWeightsView<TCode> weights,
        ArrayView<int> expertIds,
        ArrayView<TBits> output,
        AcceleratorStream? stream)
        where TCode : unmanaged
        where TBits : unmanaged
        where TElement : struct, IElement<TBits>
        where TFormat : struct, ICodeFormat
    {
        if (output.Length == 0)
        {
            return;
        }

        // A processor pays for every lane, and its lanes need no neighbours to read memory in whole sectors.
        int lanes = LaunchShapes.CooperatingLanes(device.Traits);
        int lanesPerColumn = device.Traits.Kind == DeviceKind.Cpu ? 1 : Math.Min(32, lanes);
        var arguments = new BatchedMatmulArguments<TBits>
        {
            Activations = activations,
            Weights = Operands.Weights(weights),
            ExpertIds = expertIds,
            Output = output,
            Experts = weights.Experts,
            LanesPerColumn = lanesPerColumn,
        };
        long tiles = expertIds.Length * MatrixIndex.CeilDivide(weights.Rows, lanes / lanesPerColumn * BatchedMatmulKernel.LaneColumns);
        var shape = new LaunchShape((int)Math.Min(tiles, int.MaxValue), lanes);
        device.Launch(BatchedKernels<TBits, TElement, TFormat>.Batched, shape, arguments, stream);
    }

    private static void LaunchRaw<TCode, TBits, TElement, TFormat>(
        ComputeDevice device,
        ArrayView<TBits> activations,
        ExpertWeightsView<TCode> weights,
        ArrayView<int> offsets,
        ArrayView<TBits> output,
        long rows,
        ArrayView<int> tileOffsets,
        TilePlan plan,
        AcceleratorStream? stream)
        where TCode : unmanaged
        where TBits : unmanaged
        where TElement : struct, IElement<TBits>
        where TFormat : struct, ICodeFormat
    {
        // A row is quantized in the stretches that the weights' scales have, so that a shard's are pieces of the whole matrix's.
        var source = new RawActivations<TBits> { Values = activations, K = weights.Columns };
        LaunchGrouped(
            device, RawKernels<TBits, TElement, TFormat>.Grouped, source, weights.BlockColumns, weights.ScaleColumnOffset, weights, offsets, output, rows, tileOffsets, plan, stream);
    }

    private static void LaunchQuantized<TCode, TBits, TElement, TFormat>(
        ComputeDevice device,
        QuantizedView<TCode> activations,
        ExpertWeightsView<TCode> weights,
        ArrayView<int> offsets,
        ArrayView<TBits> output,
        ArrayView<int> tileOffsets,
        TilePlan plan,
        AcceleratorStream? stream)
        where TCode : unmanaged
        where TBits : unmanaged
        where TElement : struct, IElement<TBits>
        where TFormat : struct, ICodeFormat
    {
        QuantizedActivations source = Operands.Activations(activations);
        LaunchGrouped(
            device, QuantizedKernels<TBits, TElement, TFormat>.Grouped, source, source.BlockColumns, source.ColumnOffset, weights, offsets, output, activations.Rows, tileOffsets, plan, stream);
    }

    private static void LaunchGrouped<TCode, TSourceArguments, TBits>(
        ComputeDevice device,
        Kernel<GroupedMatmulArguments<TSourceArguments, TBits>> kernel,
        TSourceArguments source,
        long activationBlock,
        long activationOffset,
        ExpertWeightsView<TCode> weights,
        ArrayView<int> offsets,
        ArrayView<TBits> output,
        long rows,
        ArrayView<int> tileOffsets,
        TilePlan plan,
        AcceleratorStream? stream)
        where TCode : unmanaged
        where TSourceArguments : struct, IKernelArguments
        where TBits : unmanaged
    {
        if (output.Length == 0)
        {
            return;
        }

        long rowTiles = ExpertTileMap.RowTiles(rows, weights.Experts, plan.TileM);
        var arguments = new GroupedMatmulArguments<TSourceArguments, TBits>
        {
            Activations = source,
            ActivationBlock = activationBlock,
            ActivationOffset = activationOffset,
            Weights = Operands.Weights(weights),
            Experts = ExpertIndices.Rows(offsets, weights.Experts),
            TileOffsets = tileOffsets,
            Output = output,
            RowTiles = rowTiles,
            Shape = TileShape.Of(plan),
        };
        long tiles = rowTiles * MatrixIndex.CeilDivide(weights.Rows, plan.TileN);
        device.Launch(kernel, LaunchShapes.Tiles(plan, tiles), arguments, stream);
    }

    private static class BatchedKernels<TBits, TElement, TFormat>
        where TBits : unmanaged
        where TElement : struct, IElement<TBits>
        where TFormat : struct, ICodeFormat
    {
        public static readonly Kernel<BatchedMatmulArguments<TBits>> Batched = new(
            $"{nameof(BatchedMatmulKernel)}<{typeof(TElement).Name}, {typeof(TFormat).Name}>", BatchedMatmulKernel.Run<TFormat, TBits, TElement>);
    }

    private static class RawKernels<TBits, TElement, TFormat>
        where TBits : unmanaged
        where TElement : struct, IElement<TBits>
        where TFormat : struct, ICodeFormat
    {
        public static readonly Kernel<GroupedMatmulArguments<RawActivations<TBits>, TBits>> Grouped = new(
            $"{nameof(GroupedMatmulKernel)}<raw, {typeof(TElement).Name}, {typeof(TFormat).Name}>",
            GroupedMatmulKernel.Run<TFormat, RawActivationSource<TBits, TElement, TFormat>, RawActivations<TBits>, TBits, TElement>);
    }

    private static class QuantizedKernels<TBits, TElement, TFormat>
        where TBits : unmanaged
        where TElement : struct, IElement<TBits>
        where TFormat : struct, ICodeFormat
    {
        public static readonly Kernel<GroupedMatmulArguments<QuantizedActivations, TBits>> Grouped = new(
            $"{nameof(GroupedMatmulKernel)}<quantized, {typeof(TElement).Name}, {typeof(TFormat).Name}>",
            GroupedMatmulKernel.Run<TFormat, QuantizedActivationSource<TFormat>, QuantizedActivations, TBits, TElement>);
    }
}
