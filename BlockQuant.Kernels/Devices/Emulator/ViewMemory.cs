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
        => view.Buffer is { IsDisposed: true };

    /// <summary>Whether the memory is an accelerator's, or of a caller who does not say whose it is.</summary>
    public static bool IsOf<T>(object accelerator, ArrayView<T> view)
        where T : unmanaged
        => IsOf(accelerator, view.Buffer?.Owner);

    /// <summary>Whether the stream is an accelerator's, or of a caller who does not say whose it is.</summary>
    public static bool IsOf(object accelerator, AcceleratorStream stream) => IsOf(accelerator, stream.Owner);

    public static bool Overlap<TLeft, TRight>(ArrayView<TLeft> left, ArrayView<TRight> right)
        where TLeft : unmanaged
        where TRight : unmanaged
        => ReferenceEquals(left.Buffer, right.Buffer)
            && left.ByteOffset < right.ByteOffset + right.LengthInBytes
            && right.ByteOffset < left.ByteOffset + left.LengthInBytes;

    private static bool IsOf(object accelerator, object? owner) => owner is null || ReferenceEquals(owner, accelerator);
}
