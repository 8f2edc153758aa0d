using BlockQuant.Emulator;

namespace ILGPU;

/// <summary>Memory that the lanes of a group share.</summary>
public static class SharedMemory
{
    /// <summary>Allocates uninitialised shared memory; every lane of a group makes the same calls in the same order.</summary>
    /// <typeparam name="T">The element type.</typeparam>
    /// <param name="extent">The number of elements.</param>
    public static ArrayView<T> Allocate<T>(int extent)
        where T : unmanaged
    {
        EmulatedLane lane = EmulatedLane.Current;
        return lane.Group.Shared.Allocate<T>(lane, extent);
    }

    /// <summary>The dynamic shared memory that the launch asked for, as elements of <typeparamref name="T"/>.</summary>
    /// <typeparam name="T">The element type.</typeparam>
    public static ArrayView<T> GetDynamic<T>()
        where T : unmanaged
        => EmulatedLane.Current.Group.Shared.Dynamic.AsRawArrayView().Cast<T>();
}
