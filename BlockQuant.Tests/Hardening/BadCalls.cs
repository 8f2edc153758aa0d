using BlockQuant.Scheduling;

namespace BlockQuant.Tests.Hardening;

/// <summary>Calls that every operator must refuse, by an exception and before anything is launched.</summary>
internal static class BadCalls
{
    private static readonly ElementFormat Fp8 = ElementFormat.Float8E4M3;

    public static IReadOnlyList<Action<CallScope>> All { get; } =
    [
        s => s.Device.Fp8.Quantize(s.Matrix<float>(3, 8).View, s.EmptyCodes<Float8E4M3>(3, 9, s.AnyScheme(Fp8)).View, s.Stream),
        s => s.Device.Fp8.Quantize(s.Matrix<float>(3, 8).View, s.EmptyCodes<Float8E4M3>(3, 8, s.AnyScheme(ElementFormat.Int8)).View, s.Stream),
        s => s.Device.Fp8.QuantizeWithScale(s.Matrix<Half>(3, 8).View, s.Codes<Float8E4M3>(3, 8, QuantizationScheme.Fp8Token).View, s.Stream),
        s => s.Device.Fp8.Dequantize(s.Codes<Float8E4M3>(3, 8, s.AnyScheme(Fp8)).View, s.Empty<int>(3, 8).View, s.Stream),
        s => Multiply(s, 8, 9, s.Empty<float>(3, 5)),
        s => Multiply(s, 8, 8, s.Empty<float>(5, 3)),
        s => Multiply(s, 8, 8, s.Empty<int>(3, 5)),
        s => Multiply(s, 8, 8, s.Empty<float>(3, 5), new TilePlanOverrides { TileM = 4096, TileN = 4096 }),
        s => Multiply(s, 8, 8, Disposed(s.Empty<float>(3, 5))),
        s => Int8(s, 1100, s.Buffer(s.Values<float>(5))),
        s => Int8(s, 8, s.Buffer(s.Values<float>(4))),
        s => s.Device.Int8.Gelu(s.Codes<sbyte>(3, 8, s.AnyScheme(ElementFormat.Int8)).View, s.EmptyCodes<sbyte>(3, 8, new(ElementFormat.Int8, ScaleGranularity.Tensor)).View),
        s => s.Device.Int8.Quantize(s.Matrix<float>(3, 8).View, s.EmptyCodes<sbyte>(3, 8, QuantizationScheme.Int8Block128).View, (RoundingMode)7, s.Stream),
        s => s.Device.Fp8.MultiplyBatched(s.Matrix<float>(2, 8), s.Experts(3, 4, 8), [0, 3]),
        s => s.Device.Fp8.MultiplyBatched(s.Matrix<float>(2, 7), s.Experts(3, 4, 8), [0, 1]),
        s => s.Device.Fp8.MultiplyGrouped(s.Matrix<Half>(4, 8), s.Experts(2, 4, 8), [0, 3, 2]),
        s => s.Device.Fp8.MultiplyGrouped(s.Matrix<Half>(4, 8), s.Experts(2, 4, 8), [0, 3, 5]),
        ShortWorkspace,
        s => s.Device.Routing.Route(s.Indices(6, 3, 9), 2, 3),
        s => s.Device.Routing.Gather(s.Matrix<float>(4, 8), s.Own(new ExpertRoutingTable(s.Device, 3, 2, 3))),
        s => s.Own(new AdapterMap(s.Device, [0, 2, -1], 2)),
        s => Shrink(s, depth: 9, tokens: 4, s.Empty<float>(4, 2)),
        s => Shrink(s, depth: 8, tokens: 5, s.Empty<float>(4, 2)),
        s => Shrink(s, depth: 8, tokens: 4, s.Empty<float>(4, 3)),
        StatusInOutput,
        WorkspaceInWeights,
        s => s.Buffer(s.Values<float>(4)).CopyFrom(s.Values<float>(5), s.Stream),
        s => s.Own(s.Device.Upload<float>(s.Values<float>(5), 2, 3)),
    ];

    /// <summary>Makes a bad call and sees that it is refused.</summary>
    public static void Refused(CallScope scope)
    {
        int number = scope.Random.Next(All.Count);
        try
        {
            All[number](scope);
        }
        catch (Exception error) when (error is ArgumentException or ObjectDisposedException)
        {
            return;
        }

        throw new AssertionException($"bad call {number} was accepted");
    }

    private static void Multiply<T>(CallScope s, int depth, int weightDepth, DeviceMatrix<T> output, TilePlanOverrides? overrides = null)
        where T : unmanaged
        => s.Device.Fp8.Multiply(
            s.Codes<Float8E4M3>(3, depth, s.ActivationScheme(Fp8)).View, s.Codes<Float8E4M3>(5, weightDepth, s.WeightScheme(Fp8)).View, output.View, overrides, s.Stream);

    private static void Int8(CallScope s, int depth, DeviceBuffer<float> bias)
        => s.Device.Int8.MultiplyAdd(
            s.Codes<sbyte>(3, depth, new(ElementFormat.Int8, ScaleGranularity.Token)).View,
            s.Codes<sbyte>(5, depth, new(ElementFormat.Int8, ScaleGranularity.Channel)).View,
            bias.View,
            s.Empty<float>(3, 5).View,
            null,
            s.Stream);

    private static void ShortWorkspace(CallScope s)
        => s.Device.Fp8.MultiplyGrouped(
            s.Codes<Float8E4M3>(4, 8, s.ActivationScheme(Fp8)).View,
            s.Experts(2, 4, 8).View,
            s.Buffer([0, 3, 4]).View,
            s.Empty<float>(4, 4).View,
            s.Own(s.Device.Allocate<int>(1)).View,
            stream: s.Stream);

    private static void StatusInOutput(CallScope s)
    {
        ExpertWeights<Float8E4M3> weights = s.Experts(3, 4, 8);
        DeviceMatrix<float> output = s.Empty<float>(2, 4);
        s.Device.Fp8.MultiplyBatched(
            s.Matrix<float>(2, 8).View,
            weights.View,
            s.Buffer([0, 1]).View,
            output.View,
            s.Own(s.Device.Allocate<int>(s.Device.Fp8.BatchedWorkspaceLength(2, weights.View))).View,
            output.View.Data.Cast<int>().SubView(4, DeviceStatus.Length),
            null,
            s.Stream);
    }

    private static void WorkspaceInWeights(CallScope s)
    {
        LoraSlice<float> weights = s.Slice<float>(2, 2, 8).View;
        s.Device.Lora.Shrink(
            new LoraInput<float>(s.Matrix<float>(4, 8).View),
            [weights],
            s.Own(new AdapterMap(s.Device, new int[4], 2)).View,
            1f,
            s.Empty<float>(4, 2).View,
            weights.Values,
            new LoraShrinkOptions { Plan = new LoraPlanOverrides { SplitK = 2 } },
            s.Stream);
    }

    private static void Shrink(CallScope s, int depth, int tokens, DeviceMatrix<float> output)
        => s.Device.Lora.Shrink(
            new LoraInput<float>(s.Matrix<float>(4, 8).View),
            [s.Slice<float>(2, 2, depth).View],
            s.Own(new AdapterMap(s.Device, new int[tokens], 2)).View,
            1f,
            output.View,
            stream: s.Stream);

    private static DeviceMatrix<T> Disposed<T>(DeviceMatrix<T> matrix)
        where T : unmanaged
    {
        matrix.Dispose();
        return matrix;
    }
}
