using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace BlockQuant.Host;

/// <summary>How wide the vectors are that the engine computes with.</summary>
internal enum VectorWidth
{
    Bits128 = 128,
    Bits256 = 256,
    Bits512 = 512,
}

/// <summary>What the processor has.</summary>
internal static class HostVectors
{
    // Memory is some hundred nanoseconds away, in which a core goes through several kilobytes; the machine itself looks no further than a page.
    public const int StreamAhead = 16384;

    /// <summary>The widest vectors that are not emulated.</summary>
    public static VectorWidth Widest { get; } =
        Vector512.IsHardwareAccelerated ? VectorWidth.Bits512 : Vector256.IsHardwareAccelerated ? VectorWidth.Bits256 : VectorWidth.Bits128;

    /// <summary>The name of the instructions behind <see cref="Widest"/>.</summary>
    public static string Name { get; } =
        Avx512F.IsSupported ? "AVX-512" : Avx2.IsSupported ? "AVX2" : AdvSimd.IsSupported ? "NEON" : $"{(int)Widest}-bit vectors";

    /// <summary>Asks for the cache line at an address, which need not be valid.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static unsafe void Prefetch(void* address)
    {
        if (Sse.IsSupported)
        {
            Sse.Prefetch0(address);
        }
    }

    /// <summary>Asks for what comes later in a stream that is read once.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static unsafe void PrefetchStream(void* place) => Prefetch((byte*)place + StreamAhead);
}
