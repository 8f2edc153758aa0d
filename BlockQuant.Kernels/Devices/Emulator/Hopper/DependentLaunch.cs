namespace BlockQuant.Kernels.Hopper.Intrinsics;

/// <content>Emulated launches run one after another, so that no kernel ahead is left to wait for.</content>
internal static partial class DependentLaunch
{
    public static partial void Wait()
    {
    }

    public static partial void Trigger()
    {
    }
}
