using System.Runtime.CompilerServices;

namespace BlockQuant.Host;

/// <summary><see cref="ErrorFunction"/> over vectors, operation by operation, so that the bits are the same.</summary>
internal static class LaneErrorFunction
{
    private const int MagnitudeMask = 0x7FFF_FFFF;
    private const int InfinityBits = 0x7F80_0000;
    private const int OneBits = 127 << 23;
    private const int FourBits = 129 << 23;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLanes Erf<TLanes>(TLanes value)
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes magnitude = value & TLanes.Create(MagnitudeMask);
        TLanes x = TLanes.Min(magnitude, TLanes.Create(FourBits));
        TLanes far = TLanes.AddSingle(Single<TLanes>(1f), Exp2(LogErfc(x)) | TLanes.Create(~MagnitudeMask));
        TLanes erf = TLanes.Select(TLanes.LessThan(magnitude, TLanes.Create(OneBits)), Near(x), far);
        TLanes signed = erf | (value & TLanes.Create(~MagnitudeMask));
        return TLanes.Select(TLanes.LessThan(TLanes.Create(InfinityBits), magnitude), value, signed);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TLanes Near<TLanes>(TLanes x)
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes square = TLanes.MultiplySingle(x, x);
        TLanes p = Single<TLanes>(7.8891232e-5f);
        p = Step(p, square, -8.02084238e-4f);
        p = Step(p, square, 5.18953546e-3f);
        p = Step(p, square, -2.68544447e-2f);
        p = Step(p, square, 1.12836002e-1f);
        p = Step(p, square, -3.76126271e-1f);
        p = Step(p, square, 1.28379167e-1f);
        return TLanes.AddSingle(TLanes.MultiplySingle(p, x), x);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TLanes LogErfc<TLanes>(TLanes x)
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes p = Single<TLanes>(2.67726681e-4f);
        p = Step(p, x, -4.24095667e-3f);
        p = Step(p, x, 3.14584238e-2f);
        p = Step(p, x, -1.48651499e-1f);
        p = Step(p, x, -9.20765021e-1f);
        p = Step(p, x, -1.62597507f);
        return Step(p, x, -5.10309594e-4f);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TLanes Exp2<TLanes>(TLanes y)
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes exponent = TLanes.Truncate(TLanes.AddSingle(y, Single<TLanes>(-0.5f)));
        TLanes fraction = TLanes.AddSingle(y, TLanes.ToSingle(default(TLanes) - exponent));
        TLanes p = Single<TLanes>(1.32764692e-3f);
        p = Step(p, fraction, 9.67554136e-3f);
        p = Step(p, fraction, 5.55071328e-2f);
        p = Step(p, fraction, 2.40221197e-1f);
        p = Step(p, fraction, 6.93146967e-1f);
        p = Step(p, fraction, 1.00000007f);
        return TLanes.MultiplySingle(p, (exponent + TLanes.Create(127)) << 23);
    }

    /// <summary>p · x + c, rounded twice as in plain code.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TLanes Step<TLanes>(TLanes p, TLanes x, float c)
        where TLanes : struct, ILanes<TLanes> => TLanes.AddSingle(TLanes.MultiplySingle(p, x), Single<TLanes>(c));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TLanes Single<TLanes>(float value)
        where TLanes : struct, ILanes<TLanes> => TLanes.Create(BitConverter.SingleToInt32Bits(value));
}
