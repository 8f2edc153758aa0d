using System.Runtime.CompilerServices;
using ILGPU;

namespace BlockQuant.Kernels;

/// <summary>Atomic updates of view elements, on global and on shared memory.</summary>
/// <remarks>By index and not by reference, because the emulator's views hand out no references.</remarks>
internal static class ViewAtomics
{
    /// <summary>Adds to an element and returns its old value.</summary>
    /// <param name="view">The view.</param>
    /// <param name="index">The element's index.</param>
    /// <param name="value">The value to add.</param>
    public static int Add(ArrayView<int> view, long index, int value) =>
        Interlocked.Add(ref view.AtomicElement(index), value) - value;

    /// <inheritdoc cref="Add(ArrayView{int}, long, int)"/>
    public static uint Add(ArrayView<uint> view, long index, uint value) =>
        Interlocked.Add(ref view.AtomicElement(index), value) - value;

    /// <inheritdoc cref="Add(ArrayView{int}, long, int)"/>
    public static float Add(ArrayView<float> view, long index, float value)
    {
        // Compared as bits, because a NaN never equals itself.
        ref int bits = ref Unsafe.As<float, int>(ref view.AtomicElement(index));
        int seen = Volatile.Read(ref bits);
        while (true)
        {
            float old = BitConverter.Int32BitsToSingle(seen);
            int found = Interlocked.CompareExchange(ref bits, BitConverter.SingleToInt32Bits(old + value), seen);
            if (found == seen)
                return old;
            seen = found;
        }
    }

    /// <summary>Replaces an element and returns its old value.</summary>
    /// <param name="view">The view.</param>
    /// <param name="index">The element's index.</param>
    /// <param name="value">The new value.</param>
    public static int Exchange(ArrayView<int> view, long index, int value) =>
        Interlocked.Exchange(ref view.AtomicElement(index), value);

    /// <summary>Raises an element to <paramref name="value"/> where that is greater, and returns its old value.</summary>
    /// <param name="view">The view.</param>
    /// <param name="index">The element's index.</param>
    /// <param name="value">The value to compare with.</param>
    public static int Max(ArrayView<int> view, long index, int value)
    {
        ref int element = ref view.AtomicElement(index);
        int seen = Volatile.Read(ref element);
        while (seen < value)
        {
            int found = Interlocked.CompareExchange(ref element, value, seen);
            if (found == seen)
                break;
            seen = found;
        }
        return seen;
    }
}
