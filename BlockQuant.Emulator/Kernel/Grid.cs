using BlockQuant.Emulator;

namespace ILGPU;

/// <summary>The grid of groups, and the running lane's group in it.</summary>
public static class Grid
{
    /// <summary>The group's index in x.</summary>
    public static int IdxX => EmulatedLane.Current.Group.GridIndex.X;

    /// <summary>The group's index in y.</summary>
    public static int IdxY => EmulatedLane.Current.Group.GridIndex.Y;

    /// <summary>The group's index in z.</summary>
    public static int IdxZ => EmulatedLane.Current.Group.GridIndex.Z;

    /// <summary>The number of groups in x.</summary>
    public static int DimX => EmulatedLane.Current.Group.Launch.GridDim.X;

    /// <summary>The number of groups in y.</summary>
    public static int DimY => EmulatedLane.Current.Group.Launch.GridDim.Y;

    /// <summary>The number of groups in z.</summary>
    public static int DimZ => EmulatedLane.Current.Group.Launch.GridDim.Z;
}
