using BlockQuant.Kernels.Hopper.Intrinsics;
using BlockQuant.Kernels.Portable;

namespace BlockQuant.Kernels.Hopper;

/// <summary>
/// What a product over experts is prepared by, started before the kernel ahead has ended, and starting the product before it ends
/// itself: for few rows the gaps between launches would cost more than the work.
/// </summary>
internal static class ExpertPreparation
{
    public static void Tiles(ExpertTileOffsetsArguments a)
    {
        DependentLaunch.Wait();
        DependentLaunch.Trigger();
        ExpertTileOffsetsKernel.Run(a);
    }

    public static void Places(ExpertPlacesArguments a)
    {
        DependentLaunch.Wait();
        DependentLaunch.Trigger();
        ExpertPlacesKernel.Run(a);
    }
}
