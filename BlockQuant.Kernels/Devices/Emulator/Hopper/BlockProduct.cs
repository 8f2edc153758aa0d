using System.Runtime.Intrinsics;

namespace BlockQuant.Kernels.Hopper.Intrinsics;

/// <summary>
/// The unscaled product that a warpgroup makes of 64 rows and a number of columns over a 128-wide block of K. Sums are float32: exact
/// for INT8; for FP8 in an order of their own, with more bits than a tensor core keeps.
/// </summary>
internal sealed class BlockProduct
{
    private const int Rows = 64;

    private readonly float[] sums;
    private readonly int columns;

    /// <param name="a">Descriptor (low word) of the rows.</param>
    /// <param name="b">Descriptor (low word) of the columns.</param>
    /// <param name="columns">How many columns.</param>
    /// <param name="values">What each of the 256 codes means.</param>
    public BlockProduct(int a, int b, int columns, float[] values)
    {
        BlockMemory memory = BlockMemory.Own;
        float[] left = Array.ConvertAll(MatrixOperand.Read(memory, a, Rows), code => values[code]);
        float[] right = Array.ConvertAll(MatrixOperand.Read(memory, b, columns), code => values[code]);
        this.columns = columns;
        sums = new float[Rows * columns];
        for (int i = 0; i < sums.Length; i++)
            sums[i] = Dot(left.AsSpan(i / columns * MatrixOperand.RowBytes), right.AsSpan(i % columns * MatrixOperand.RowBytes));
    }

    /// <summary>What the FP8 codes mean.</summary>
    public static float[] Float8 { get; } = Enumerable.Range(0, 256).Select(Float8Codec.Decode).ToArray();

    /// <summary>What the INT8 codes mean.</summary>
    public static float[] Int8 { get; } = Enumerable.Range(0, 256).Select(code => (float)(sbyte)code).ToArray();

    /// <summary>The sum that a field of a lane of the warpgroup holds.</summary>
    public float this[int lane, int field] => sums[Fragment.Row(lane, field) * columns + Fragment.Column(lane, field)];

    private static float Dot(ReadOnlySpan<float> left, ReadOnlySpan<float> right)
    {
        // Products of codes are exact in float32, so that fused or not makes no difference.
        Vector256<float> sum = Vector256<float>.Zero;
        for (int k = 0; k < MatrixOperand.RowBytes; k += Vector256<float>.Count)
            sum += Vector256.Create(left[k..]) * Vector256.Create(right[k..]);
        return Vector256.Sum(sum);
    }
}
