using BlockQuant.Kernels.Hopper.Intrinsics;

namespace BlockQuant.Kernels.Hopper;

/// <summary>The two barriers of each stage of a ring: its operands have come, and every warp that multiplies has read them.</summary>
internal static class StageBarriers
{
    private const int MultiplyingWarps = 8;

    /// <summary>
    /// Prepares them, a lane for each stage: one after another they would take up to a microsecond, in which nothing else happens.
    /// </summary>
    /// <param name="lane">The lane's number among those that take part; others give what is not a stage.</param>
    /// <param name="stages">Stages of the ring, at most 32.</param>
    /// <param name="full">Shared address of the first stage's first barrier.</param>
    /// <param name="arrivals">Arrivals that fill a stage.</param>
    /// <param name="empty">Shared address of the first stage's second barrier.</param>
    public static void Initialize(int lane, int stages, int full, int arrivals, int empty)
    {
        if (lane < 0 || lane >= stages)
            return;
        MBarrier.Initialize(full + lane * 8, arrivals);
        MBarrier.Initialize(empty + lane * 8, MultiplyingWarps);
        MBarrier.PublishInitialization();
    }
}
