using System.Runtime.Intrinsics;

namespace BlockQuant.Kernels.Hopper.Intrinsics;

/// <summary>
/// The unscaled product of 64 rows and a number of columns over 128 of K, in FP8. Sums are float32 in an order of their own; a
/// tensor core keeps fewer bits.
/// </summary>
internal sealed class Float8Product
{
    private const int Rows = 64;

    private static readonly float[] Values = Enumerable.Range(0, 256).Select(Float8Codec.Decode).ToArray();

    private readonly float[] sums;
    private readonly int columns;

    /// <param name="a">Descriptor (low word) of the rows.</param>
    /// <param name="b">Descriptor (low word) of the columns.</param>
    /// <param name="columns">How many columns.</param>
    public Float8Product(int a, int b, int columns)
    {
        BlockMemory memory = BlockMemory.Own;
        float[] left = Array.ConvertAll(MatrixOperand.Read(memory, a, Rows), code => Values[code]);
        float[] right = Array.ConvertAll(MatrixOperand.Read(memory, b, columns), code => Values[code]);
        this.columns = columns;
        sums = new float[Rows * columns];
        for (int i = 0; i < sums.Length; i++)
            sums[i] = Dot(left.AsSpan(i / columns * MatrixOperand.RowBytes), right.AsSpan(i % columns * MatrixOperand.RowBytes));
    }

    /// <summary>The sum that a field of a lane of the warpgroup holds.</summary>
    public float this[int lane, int field] => sums[Fragment.Row(lane, field) * columns + Fragment.Column(lane, field)];

    private static float Dot(ReadOnlySpan<float> left, ReadOnlySpan<float> right)
    {
        // Products of FP8 are exact in float32, so that fused or not makes no difference.
        Vector256<float> sum = Vector256<float>.Zero;
        for (int k = 0; k < MatrixOperand.RowBytes; k += Vector256<float>.Count)
            sum += Vector256.Create(left[k..]) * Vector256.Create(right[k..]);
        return Vector256.Sum(sum);
    }
}
