using ILGPU;

namespace BlockQuant.Samples;

/// <param name="gateUp">[rows, 2 · width] bits of bf16: a row's gate, then its up.</param>
/// <param name="output">[rows, width] bits of bf16.</param>
internal readonly struct GatedReluArguments(ArrayView<ushort> gateUp, ArrayView<ushort> output)
{
    public readonly ArrayView<ushort> GateUp = gateUp;
    public readonly ArrayView<ushort> Output = output;
}

/// <summary>max(gate, 0) × up (ReGLU, arXiv 2002.05202): one group a row, one lane for each <see cref="ColumnsOfLane"/> columns.</summary>
internal static class GatedReluKernel
{
    public const int ColumnsOfLane = 16;

    public static void Run(GatedReluArguments arguments)
    {
        int width = Group.DimX * ColumnsOfLane;
        long row = Grid.IdxX;
        for (int i = 0; i < ColumnsOfLane; i++)
        {
            int column = i * Group.DimX + Group.IdxX;
            float gate = ToSingle(arguments.GateUp[row * 2 * width + column]);
            float up = ToSingle(arguments.GateUp[(row * 2 + 1) * width + column]);
            arguments.Output[row * width + column] = ToBits(Math.Max(gate, 0) * up);
        }
    }

    public static float[] OnHost(float[] gateUp, int width) => Enumerable.Range(0, gateUp.Length / 2)
        .Select(i => (Start: i / width * 2 * width + i % width, Width: width))
        .Select(at => BFloat16.FromSingle(Math.Max(gateUp[at.Start], 0) * gateUp[at.Start + at.Width]).ToSingle())
        .ToArray();

    private static float ToSingle(ushort bits) => BitConverter.Int32BitsToSingle(bits << 16);

    /// <summary>To the nearest bf16, ties to even; not for NaN.</summary>
    private static ushort ToBits(float value)
    {
        int bits = BitConverter.SingleToInt32Bits(value);
        return (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16 & 0xFFFF);
    }
}
