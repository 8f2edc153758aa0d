namespace BlockQuant.Kernels.Hopper.Intrinsics;

/// <summary>
/// How the L2 cache keeps what the copy engine brings, as createpolicy encodes it. Operands that nothing reads later must not push out what
/// others will read, or, where that has been written, wait for it to be written back.
/// </summary>
internal static class CachePolicy
{
    /// <summary>As everything else.</summary>
    public const long Normal = 0x1000000000000000;

    /// <summary>First to make room for others.</summary>
    public const long ReadOnce = 0x12F0000000000000;
}
