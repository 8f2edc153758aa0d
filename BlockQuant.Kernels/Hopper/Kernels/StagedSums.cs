using BlockQuant.Kernels.Hopper.Intrinsics;
using ILGPU;

namespace BlockQuant.Kernels.Hopper;

/// <summary>Where the kernels for few tokens that finish a token's 128 sums at once stage these: in the place of the stages.</summary>
internal static class StagedSums
{
    /// <summary>Bytes from one token's sums to the next's.</summary>
    public const int Pitch = (DecodeKernel.TileN + 4) * 4;

    /// <summary>Where the first of a lane's sums goes.</summary>
    public static int Address(int shared) =>
        Pin.Int32(shared + (Group.IdxX & 3) * 2 * Pitch + ((Group.IdxX >> 5) * 16 + (Group.IdxX >> 2 & 7)) * 4);
}
