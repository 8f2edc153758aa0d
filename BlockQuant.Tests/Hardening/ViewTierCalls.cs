using BlockQuant.Scheduling;

namespace BlockQuant.Tests.Hardening;

/// <summary>Calls of every operator over views, each with all the operands that it may have.</summary>
internal static class ViewTierCalls
{
    private const int Tokens = 4, Columns = 6, Depth = 8, Experts = 2, TopK = 2, Adapters = 2, Rank = 2;
    private static readonly QuantizationScheme Groups = QuantizationScheme.Fp8TokenGroup128;
    private static readonly QuantizationScheme Blocks = QuantizationScheme.Fp8Block128;
    private static readonly QuantizationScheme Int8Groups = QuantizationScheme.Int8TokenGroup128;
    private static readonly QuantizationScheme Int8Blocks = QuantizationScheme.Int8Block128;

    public static IReadOnlyList<(string Name, Action<ComputeDevice, OperandMemory> Call)> All { get; } =
    [
        ("fp8 quantize", (d, m) => d.Fp8.Quantize(m.In<float>(Tokens, Depth), m.Out<Float8E4M3>(Tokens, Depth, Groups))),
        ("fp8 quantize tensor", (d, m) => d.Fp8.Quantize(m.In<float>(Tokens, Depth), m.Out<Float8E4M3>(Tokens, Depth, QuantizationScheme.Fp8Tensor))),
        ("fp8 quantize with scale", (d, m) => d.Fp8.QuantizeWithScale(m.In<float>(Tokens, Depth), m.Out<Float8E4M3>(Tokens, Depth, QuantizationScheme.Fp8Tensor))),
        ("fp8 dequantize", (d, m) => d.Fp8.Dequantize(m.In<Float8E4M3>(Tokens, Depth, Groups), m.Out<Half>(Tokens, Depth))),
        ("fp8 multiply", (d, m) => d.Fp8.Multiply(
            m.In<Float8E4M3>(Tokens, Depth, Groups), m.In<Float8E4M3>(Columns, Depth, Blocks), m.Out<float>(Tokens, Columns))),
        ("fp8 multiply rows", (d, m) => d.Fp8.Multiply(
            m.In<BFloat16>(Tokens, Depth), m.In<Float8E4M3>(Columns, Depth, Blocks), m.Out<float>(Tokens, Columns), m.Out<int>(100))),
        ("fp8 batched", (d, m) => d.Fp8.MultiplyBatched(
            m.In<float>(Tokens, Depth), Weights(m), m.In<int>(Tokens), m.Out<float>(Tokens, Columns), m.Out<int>(100), m.Out<int>(DeviceStatus.Length))),
        ("fp8 grouped", (d, m) => d.Fp8.MultiplyGrouped(
            m.In<float>(Tokens, Depth), Weights(m), m.In<int>(Experts), m.Out<float>(Tokens, Columns), m.Out<int>(100), m.Out<int>(DeviceStatus.Length))),
        ("fp8 grouped codes", (d, m) => d.Fp8.MultiplyGrouped(
            m.In<Float8E4M3>(Tokens, Depth, Groups), Weights(m), m.In<int>(Experts), m.Out<float>(Tokens, Columns), m.Out<int>(100), m.Out<int>(DeviceStatus.Length))),
        ("int8 quantize", (d, m) => d.Int8.Quantize(m.In<float>(Tokens, Depth), m.Out<sbyte>(Tokens, Depth, Int8Groups))),
        ("int8 dequantize", (d, m) => d.Int8.Dequantize(m.In<sbyte>(Tokens, Depth, Int8Groups), m.Out<Half>(Tokens, Depth))),
        ("int8 multiply", (d, m) => d.Int8.Multiply(
            m.In<sbyte>(Tokens, Depth, Int8Groups), m.In<sbyte>(Columns, Depth, Int8Blocks), m.Out<float>(Tokens, Columns))),
        ("int8 multiply add", (d, m) => d.Int8.MultiplyAdd(
            m.In<sbyte>(Tokens, Depth, Int8Groups), m.In<sbyte>(Columns, Depth, Int8Blocks), m.In<float>(Columns), m.Out<float>(Tokens, Columns))),
        ("int8 multiply add quantize", (d, m) => d.Int8.MultiplyAddQuantize(
            m.In<sbyte>(Tokens, Depth, Int8Groups), m.In<sbyte>(Columns, Depth, Int8Blocks), m.In<float>(Columns), m.Out<sbyte>(Tokens, Columns, Int8Groups))),
        ("int8 gelu", (d, m) => d.Int8.Gelu(m.In<sbyte>(Tokens, Depth, Int8Groups), m.Out<sbyte>(Tokens, Depth, Int8Groups))),
        ("route", (d, m) => d.Routing.Route(
            m.In<int>(Tokens, TopK),
            new(m.Out<int>(Tokens, TopK), m.Out<int>(Tokens * TopK), m.Out<int>(Experts), m.Out<int>(Experts + 1)),
            m.Out<int>(ExpertRouting.WorkspaceLength(Tokens, TopK, Experts)),
            m.Out<int>(DeviceStatus.Length))),
        ("map tiles", (d, m) => d.Routing.MapTiles(m.In<int>(Experts), Tokens, 2, m.Out<int>(Experts + 1), m.Out<int>(DeviceStatus.Length))),
        ("gather", (d, m) => d.Routing.Gather(m.In<float>(Tokens, Columns), Routing(m), m.Out<float>(Tokens * TopK, Columns))),
        ("combine", (d, m) => d.Routing.Combine(
            m.In<float>(Tokens * TopK, Columns), m.In<float>(Tokens, TopK), Routing(m), m.Out<float>(Tokens, Columns))),
        ("shrink", (d, m) => d.Lora.Shrink(
            new LoraInput<Float8E4M3>(m.In<Float8E4M3>(Tokens, Depth, Groups)),
            [Slice(m, Rank, Depth), Slice(m, Rank, Depth)],
            Map(m),
            1f,
            m.Out<float>(2 * Tokens, Rank),
            m.Out<float>(2 * 2 * Tokens * Rank),
            new LoraShrinkOptions { Plan = new LoraPlanOverrides { SplitK = 2 } })),
        ("expand", (d, m) => d.Lora.Expand(
            new LoraInput<Float8E4M3>(m.In<Float8E4M3>(Tokens, Rank, Groups)), [Slice(m, Columns, Rank)], Map(m), m.Out<float>(Tokens, Columns))),
        ("build adapter map", (d, m) => d.Lora.BuildAdapterMap(
            m.In<int>(Tokens),
            new(m.Out<int>(Tokens), m.Out<int>(Adapters + 1), m.Out<int>(Adapters + 2), m.Out<int>(Adapters + 1)),
            m.Out<int>(DeviceStatus.Length))),
        ("check adapter map", (d, m) => d.Lora.CheckAdapterMap(Map(m), Adapters, m.Out<int>(DeviceStatus.Length))),
    ];

    private static ExpertWeightsView<Float8E4M3> Weights(OperandMemory memory)
        => new(memory.In<Float8E4M3>(Experts * Columns * Depth), memory.In<float>(Experts), Experts, Columns, Depth, Blocks);

    private static ExpertRoutingView Routing(OperandMemory memory)
        => new(memory.In<int>(Tokens, TopK), memory.In<int>(Tokens * TopK), memory.In<int>(Experts), memory.In<int>(Experts + 1));

    private static LoraSlice<Float8E4M3> Slice(OperandMemory memory, int rows, int columns)
        => new(memory.In<Float8E4M3>(Adapters * rows * columns), memory.In<float>(Adapters), Blocks, Adapters, rows, columns);

    private static AdapterMapView Map(OperandMemory memory)
        => new(memory.In<int>(Tokens), memory.In<int>(Adapters + 1), memory.In<int>(Adapters + 2), memory.In<int>(Adapters + 1));
}
