using BlockQuant.Kernels.Hopper.Intrinsics;
using ILGPU.IR.Intrinsics;

namespace BlockQuant.Kernels.Vector.Intrinsics;

/// <summary>Exchanges among neighbouring lanes of a warp, which all take part.</summary>
internal static class LaneGroup
{
    /// <summary>The largest value of the 16 lanes that share the lane's index / 16.</summary>
    [IntrinsicImplementation]
    [Ptx("""
        { .reg .b32 x, y; shfl.sync.bfly.b32 x, $0, 8, 0x1f, 0xffffffff; max.s32 y, $0, x;
        shfl.sync.bfly.b32 x, y, 4, 0x1f, 0xffffffff; max.s32 y, y, x; shfl.sync.bfly.b32 x, y, 2, 0x1f, 0xffffffff; max.s32 y, y, x;
        shfl.sync.bfly.b32 x, y, 1, 0x1f, 0xffffffff; max.s32 $d, y, x; }
        """)]
    public static int MaxOf16(int value) => MaxOf(16, value);

    /// <summary>The largest value of the 8 lanes that share the lane's index / 8.</summary>
    [IntrinsicImplementation]
    [Ptx("""
        { .reg .b32 x, y; shfl.sync.bfly.b32 x, $0, 4, 0x1f, 0xffffffff; max.s32 y, $0, x;
        shfl.sync.bfly.b32 x, y, 2, 0x1f, 0xffffffff; max.s32 y, y, x; shfl.sync.bfly.b32 x, y, 1, 0x1f, 0xffffffff; max.s32 $d, y, x; }
        """)]
    public static int MaxOf8(int value) => MaxOf(8, value);

    /// <summary>The largest value of the 4 lanes that share the lane's index / 4.</summary>
    [IntrinsicImplementation]
    [Ptx("""
        { .reg .b32 x, y; shfl.sync.bfly.b32 x, $0, 2, 0x1f, 0xffffffff; max.s32 y, $0, x;
        shfl.sync.bfly.b32 x, y, 1, 0x1f, 0xffffffff; max.s32 $d, y, x; }
        """)]
    public static int MaxOf4(int value) => MaxOf(4, value);

    /// <summary>True where a condition holds in every lane of the warp.</summary>
    [IntrinsicImplementation]
    [Ptx("vote.sync.all.pred $d, $0, 0xffffffff;")]
    public static bool All(bool condition) => MaxOf(32, condition ? 0 : 1) == 0;

#if EMULATOR
    private static int MaxOf(int lanes, int value) => Emulator.EmulatedLane.AsWarp($"the largest of {lanes}", value, warp =>
    {
        for (int first = 0; first < warp.Length; first += lanes)
        {
            Span<int> group = warp.AsSpan(first, lanes);
            group.Fill(group.ToArray().Max());
        }
    });
#else
    private static int MaxOf(int lanes, int value) => throw new NotSupportedException($"{lanes} lanes cannot exchange {value} here.");
#endif
}
