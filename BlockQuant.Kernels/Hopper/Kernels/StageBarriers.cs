using BlockQuant.Kernels.Hopper.Intrinsics;

namespace BlockQuant.Kernels.Hopper;

/// <summary>The two barriers of each stage of a ring: its operands have come, and every warp that multiplies has read them.</summary>
internal static class StageBarriers
{
    private const int MultiplyingWarps = 8;

    /// <summary>Prepares them; one thread, which publishes them afterwards.</summary>
    /// <param name="stages">Stages of the ring.</param>
    /// <param name="full">Shared address of the first stage's first barrier.</param>
    /// <param name="arrivals">Arrivals that fill a stage.</param>
    /// <param name="empty">Shared address of the first stage's second barrier.</param>
    public static void Initialize(int stages, int full, int arrivals, int empty) => Initialize(stages, full, arrivals, arrivals, empty, 1);

    /// <summary>
    /// <see cref="Initialize(int, int, int, int)"/>, where the first stage takes another count of arrivals than the rest, and the warps of
    /// <paramref name="readers"/> blocks read a stage.
    /// </summary>
    public static void Initialize(int stages, int full, int firstArrivals, int arrivals, int empty, int readers)
    {
        for (int i = 0; i < stages; i++)
        {
            MBarrier.Initialize(full + i * 8, i == 0 ? firstArrivals : arrivals);
            MBarrier.Initialize(empty + i * 8, readers * MultiplyingWarps);
        }
    }
}
