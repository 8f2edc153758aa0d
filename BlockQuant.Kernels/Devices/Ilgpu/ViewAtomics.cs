using ILGPU;

namespace BlockQuant.Kernels;

/// <summary>Atomic operations on one element of a view, in the form that both kernel hosts have. Each returns the old value.</summary>
internal static class ViewAtomics
{
    public static int Add(ArrayView<int> view, long index, int value) => Atomic.Add(ref view[index], value);

    public static float Add(ArrayView<float> view, long index, float value) => Atomic.Add(ref view[index], value);

    public static int Exchange(ArrayView<int> view, long index, int value) => Atomic.Exchange(ref view[index], value);

    public static int Max(ArrayView<int> view, long index, int value) => Atomic.Max(ref view[index], value);
}
