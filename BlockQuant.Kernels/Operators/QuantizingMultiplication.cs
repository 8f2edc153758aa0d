using BlockQuant.Kernels.Portable;
using BlockQuant.Scheduling;
using ILGPU;
using ILGPU.Runtime;

namespace BlockQuant;

/// <summary>The dense FP8 product of full-precision activations, quantized on the way: validate, plan, launch.</summary>
internal static class QuantizingMultiplication
{
    private static readonly QuantizationScheme Scheme = QuantizationScheme.Fp8TokenGroup128;

    public static void Multiply<TActivation, TOutput>(
        ComputeDevice device,
        MatrixView<TActivation> activations,
        QuantizedView<Float8E4M3> weights,
        MatrixView<TOutput> output,
        ArrayView<int> workspace,
        TilePlanOverrides? overrides,
        AcceleratorStream? stream)
        where TActivation : unmanaged
        where TOutput : unmanaged
    {
        RequireOperands(device, activations, weights, output);
        RequireWorkspace(device, activations, weights, output, workspace);
        QuantizedView<Float8E4M3> codes = Quantized(activations.Rows, activations.Columns, workspace);
        TilePlan plan = TileScheduler.PlanQuantizing(
            activations.Rows, weights.Rows, weights.Columns, device.Traits, overrides, HopperMultiplication.Fits(codes, weights),
            HopperMultiplication.FitsFused(activations), device.Plans);
        if (plan is { QuantizesActivations: true, Hopper: { } hopper })
        {
            HopperMultiplication.LaunchFused(device, activations, weights, output, hopper, stream);
            return;
        }

        Quantization.Quantize<Float8E4M3, TActivation, Float8Format>(device, activations, codes, ElementFormat.Float8E4M3, stream);
        Multiplication.Launch<Float8E4M3, TOutput, Float8Format>(device, codes, weights, output, plan, stream);
    }

    /// <summary>Integers of workspace that hold the activations' codes and scales.</summary>
    public static long WorkspaceLength(long rows, long columns)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        ArgumentOutOfRangeException.ThrowIfNegative(columns);
        Require.Elements("activations", rows, columns);
        return WorkspaceParts.Slack + WorkspaceParts.Length(CodesLength(rows, columns)) + WorkspaceParts.Length(ScalesLength(rows, columns));
    }

    private static QuantizedView<Float8E4M3> Quantized(long rows, long columns, ArrayView<int> workspace)
    {
        var parts = new WorkspaceParts(workspace);
        ArrayView<Float8E4M3> codes = parts.Take(CodesLength(rows, columns)).Cast<Float8E4M3>().SubView(0, rows * columns);
        ArrayView<float> scales = parts.Take(ScalesLength(rows, columns)).Cast<float>();
        return new QuantizedView<Float8E4M3>(
            new MatrixView<Float8E4M3>(codes, rows, columns), new MatrixView<float>(scales, rows, MatrixIndex.CeilDivide(columns, Scheme.Block.Columns)), Scheme);
    }

    private static long CodesLength(long rows, long columns) => MatrixIndex.CeilDivide(rows * columns, sizeof(int));

    private static long ScalesLength(long rows, long columns) => rows * MatrixIndex.CeilDivide(columns, Scheme.Block.Columns);

    private static void RequireOperands<TActivation, TOutput>(
        ComputeDevice device, MatrixView<TActivation> activations, QuantizedView<Float8E4M3> weights, MatrixView<TOutput> output)
        where TActivation : unmanaged
        where TOutput : unmanaged
    {
        _ = Element<TActivation>.Kind(nameof(activations));
        _ = Element<TOutput>.Kind(nameof(output));
        Require.Memory(device, activations.Data, nameof(activations));
        Require.Quantized(device, weights, ElementFormat.Float8E4M3, nameof(weights));
        if (weights.Columns != activations.Columns)
        {
            throw new ArgumentException(
                $"weights: shape {weights.Codes.Shape}; expected [N, {activations.Columns}], the K of activations {activations.Shape}.", nameof(weights));
        }

        Require.Shape(output, activations.Rows, weights.Rows, nameof(output));
        Require.Memory(device, output.Data, nameof(output));
        Require.Disjoint(output.Data, nameof(output), activations.Data, nameof(activations));
        Require.Disjoint(output.Data, nameof(output), weights.Codes.Data, "weight codes");
        Require.Disjoint(output.Data, nameof(output), weights.Scales.Data, "weight scales");
    }

    private static void RequireWorkspace<TActivation, TOutput>(
        ComputeDevice device,
        MatrixView<TActivation> activations,
        QuantizedView<Float8E4M3> weights,
        MatrixView<TOutput> output,
        ArrayView<int> workspace)
        where TActivation : unmanaged
        where TOutput : unmanaged
    {
        Require.Workspace(device, workspace, WorkspaceLength(activations.Rows, activations.Columns));
        Require.Disjoint(output.Data, nameof(output), workspace, nameof(workspace));
        Require.Disjoint(workspace, nameof(workspace), activations.Data, nameof(activations));
        Require.Disjoint(workspace, nameof(workspace), weights.Codes.Data, "weight codes");
        Require.Disjoint(workspace, nameof(workspace), weights.Scales.Data, "weight scales");
    }
}
