using BlockQuant.Kernels.Hopper.Intrinsics;
using ILGPU;

namespace BlockQuant.Kernels.Hopper;

/// <summary>The two barriers of each stage of a ring: its operands have come, and all that multiply have read them.</summary>
internal static class StageBarriers
{
    /// <summary>Warps that multiply.</summary>
    public const int Warps = 8;

    /// <summary>Lanes that multiply, each of which reads scales.</summary>
    public const int Lanes = Warps * 32;

    /// <summary>
    /// Prepares and publishes them; every thread of the block, of which the first of each warp does its share: one after another they would take
    /// longer than all else that precedes the first load.
    /// </summary>
    /// <param name="warps">Warps of the block; a constant.</param>
    /// <param name="stages">Stages of the ring.</param>
    /// <param name="full">Shared address of the first stage's first barrier.</param>
    /// <param name="arrivals">Arrivals that fill a stage.</param>
    /// <param name="empty">Shared address of the first stage's second barrier.</param>
    /// <param name="readers">Arrivals that empty it.</param>
    public static void Initialize(int warps, int stages, int full, int arrivals, int empty, int readers) =>
        Initialize(warps, stages, full, arrivals, arrivals, empty, readers, readers);

    /// <summary><see cref="Initialize(int, int, int, int, int, int)"/>, where the first stage takes other counts of arrivals than the rest.</summary>
    public static void Initialize(int warps, int stages, int full, int firstArrivals, int arrivals, int empty, int firstReaders, int readers)
    {
        int warp = Warpgroup.Warp();
        if ((Group.IdxX & 31) == 0)
        {
            for (int i = warp; i < stages; i += warps)
            {
                MBarrier.Initialize(full + i * 8, i == 0 ? firstArrivals : arrivals);
                MBarrier.Initialize(empty + i * 8, i == 0 ? firstReaders : readers);
            }
            MBarrier.PublishInitialization();
        }
    }
}
