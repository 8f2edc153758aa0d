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
    public static void Initialize(int stages, int full, int arrivals, int empty)
    {
        for (int i = 0; i < stages; i++)
        {
            MBarrier.Initialize(full + i * 8, arrivals);
            MBarrier.Initialize(empty + i * 8, MultiplyingWarps);
        }
    }
}
