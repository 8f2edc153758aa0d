using ILGPU;

namespace BlockQuant.Devices;

/// <summary>Which memory a view lies in.</summary>
internal static class ViewMemory
{
    /// <summary>The address of the first element, on the device that holds it.</summary>
    public static nint Address<T>(ArrayView<T> view)
        where T : unmanaged
        => view.LoadEffectiveAddressAsPtr();

    public static bool IsDisposed<T>(ArrayView<T> view)
        where T : unmanaged
        => view.Buffer is { IsDisposed: true };

    public static bool Overlap<TLeft, TRight>(ArrayView<TLeft> left, ArrayView<TRight> right)
        where TLeft : unmanaged
        where TRight : unmanaged
        => ReferenceEquals(left.Buffer, right.Buffer)
            && left.ByteOffset < right.ByteOffset + right.LengthInBytes
            && right.ByteOffset < left.ByteOffset + left.LengthInBytes;
}
