using ILGPU;
using ILGPU.Runtime;

namespace BlockQuant.Devices;

/// <summary>Which memory a view lies in, and which accelerator that and a stream are of.</summary>
internal static class ViewMemory
{
    /// <summary>The address of the first element, on the device that holds it.</summary>
    public static nint Address<T>(ArrayView<T> view)
        where T : unmanaged
        => view.LoadEffectiveAddressAsPtr();

    public static bool IsDisposed<T>(ArrayView<T> view)
        where T : unmanaged
        => Buffer(view).IsDisposed;

    /// <summary>Whether the memory is an accelerator's.</summary>
    public static bool IsOf<T>(object accelerator, ArrayView<T> view)
        where T : unmanaged
        => ReferenceEquals(Buffer(view).Accelerator, accelerator);

    /// <summary>Whether the stream is an accelerator's.</summary>
    public static bool IsOf(object accelerator, AcceleratorStream stream) => ReferenceEquals(stream.Accelerator, accelerator);

    public static bool Overlap<TLeft, TRight>(ArrayView<TLeft> left, ArrayView<TRight> right)
        where TLeft : unmanaged
        where TRight : unmanaged
        => ReferenceEquals(Buffer(left), Buffer(right))
            && Start(left) < Start(right) + right.LengthInBytes
            && Start(right) < Start(left) + left.LengthInBytes;

    // Constrained calls: casting a view to its interface would allocate on every launch.
    private static MemoryBuffer Buffer<TView>(TView view)
        where TView : IArrayView
        => view.Buffer;

    private static long Start<TView>(TView view)
        where TView : IContiguousArrayView
        => view.IndexInBytes;
}
