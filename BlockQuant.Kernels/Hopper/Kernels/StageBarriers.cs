using BlockQuant.Kernels.Hopper.Intrinsics;

namespace BlockQuant.Kernels.Hopper;

/// <summary>The two barriers of each stage of a ring: its operands have come, and all that multiply have read them.</summary>
internal static class StageBarriers
{
    /// <summary>Warps that multiply.</summary>
    public const int Warps = 8;

    /// <summary>Lanes that multiply, each of which reads scales.</summary>
    public const int Lanes = Warps * 32;

    /// <summary>Prepares them; one thread, which publishes them afterwards.</summary>
    /// <param name="stages">Stages of the ring.</param>
    /// <param name="full">Shared address of the first stage's first barrier.</param>
    /// <param name="arrivals">Arrivals that fill a stage.</param>
    /// <param name="empty">Shared address of the first stage's second barrier.</param>
    public static void Initialize(int stages, int full, int arrivals, int empty) =>
        Initialize(stages, full, arrivals, arrivals, empty, Lanes, Lanes);

    /// <summary><see cref="Initialize(int, int, int, int)"/>, where the first stage takes other counts of arrivals than the rest.</summary>
    public static void Initialize(int stages, int full, int firstArrivals, int arrivals, int empty, int firstReaders, int readers)
    {
        for (int i = 0; i < stages; i++)
        {
            MBarrier.Initialize(full + i * 8, i == 0 ? firstArrivals : arrivals);
            MBarrier.Initialize(empty + i * 8, i == 0 ? firstReaders : readers);
        }
    }
}
