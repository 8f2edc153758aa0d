using BlockQuant.Emulator;

namespace BlockQuant.Kernels.Hopper.Intrinsics;

/// <content>Emulated launches run one after another, so that no kernel ahead is left to wait for; what is checked is that a lane would.</content>
internal static partial class DependentLaunch
{
    public static partial void Wait() => EmulatedLane.Current.IsEarly = false;

    public static partial void Trigger()
    {
    }
}
