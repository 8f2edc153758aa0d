using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using BlockQuant.Emulator;
using BlockQuant.Kernels.Hopper.Intrinsics;

namespace BlockQuant.Kernels.TensorCores.Intrinsics;

/// <content>The warp's last lane to come multiplies for all, in float32.</content>
internal static partial class TensorCore
{
    // Lanes that hold stretches of the same row.
    private const int Quarters = 4;

    public static partial Acc4 MultiplyFloat16<TA, TB>(Acc4 acc, TA upper, TA lower, TB column)
        where TA : unmanaged
        where TB : unmanaged
        => Multiply(nameof(MultiplyFloat16), acc, upper, lower, column, static bits => HalfCodec.Decode(bits));

    public static partial Acc4 MultiplyBFloat16<TA, TB>(Acc4 acc, TA upper, TA lower, TB column)
        where TA : unmanaged
        where TB : unmanaged
        => Multiply(nameof(MultiplyBFloat16), acc, upper, lower, column, static bits => BFloat16Codec.Decode(bits));

    private static Acc4 Multiply<TA, TB>(string name, Acc4 acc, TA upper, TA lower, TB column, Func<ushort, float> decode)
        where TA : unmanaged
        where TB : unmanaged
    {
        var share = new Share(acc, Elements(upper, decode), Elements(lower, decode), Elements(column, decode));
        return EmulatedLane.AsWarp(name, share, Add).Acc;
    }

    private static void Add(Share[] warp)
    {
        for (int lane = 0; lane < warp.Length; lane++)
        {
            Span<float> fields = Fragment.Of(ref warp[lane].Acc);
            for (int i = 0; i < fields.Length; i++)
            {
                for (int quarter = 0; quarter < Quarters; quarter++)
                {
                    Share row = warp[lane / Quarters * Quarters + quarter];
                    float[] column = warp[Fragment.Column(lane, i) * Quarters + quarter].Column;
                    float[] left = i < 2 ? row.Upper : row.Lower;
                    for (int k = 0; k < column.Length; k++)
                        fields[i] += left[k] * column[k];
                }
            }
        }
    }

    // Codes fill 1 or 4 registers, 16-bit elements 2 or 8.
    private static float[] Elements<T>(T fragment, Func<ushort, float> decode)
        where T : unmanaged
    {
        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in fragment));
        return Unsafe.SizeOf<T>() is 4 or 16
            ? Array.ConvertAll(bytes.ToArray(), code => BlockProduct.Float8[code])
            : Array.ConvertAll(MemoryMarshal.Cast<byte, ushort>(bytes).ToArray(), bits => decode(bits));
    }

    // What a lane brings, and in Acc what it gets.
    private struct Share(Acc4 acc, float[] upper, float[] lower, float[] column)
    {
        public Acc4 Acc = acc;
        public readonly float[] Upper = upper, Lower = lower, Column = column;
    }
}
