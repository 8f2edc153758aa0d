namespace BlockQuant.Kernels.Portable;

/// <summary>Integer arithmetic that the kernels share.</summary>
internal static class MatrixIndex
{
    public static int CeilDivide(int value, int divisor) => (value + divisor - 1) / divisor;

    public static long CeilDivide(long value, long divisor) => (value + divisor - 1) / divisor;
}
