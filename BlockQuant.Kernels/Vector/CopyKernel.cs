using ILGPU;

namespace BlockQuant.Kernels.Vector;

/// <summary>Copies the source, 16 bytes a lane, four times: what the other kernels' bandwidth is measured against.</summary>
internal static class CopyKernel
{
    /// <summary>Lanes in a group of the grid.</summary>
    public const int Lanes = 256;

    /// <summary>Bytes that one lane copies.</summary>
    public const int BytesPerLane = 64;

    public static void Run(VectorArguments a)
    {
        long last = a.Source.Length - 1, first = (long)Grid.IdxX * Group.DimX * 4 + Group.IdxX;
        long second = first + Group.DimX, third = second + Group.DimX, fourth = third + Group.DimX;
        Vec4 bits1 = a.Source[Math.Min(first, last)], bits2 = a.Source[Math.Min(second, last)];
        Vec4 bits3 = a.Source[Math.Min(third, last)], bits4 = a.Source[Math.Min(fourth, last)];
        a.Output[Math.Min(first, last)] = bits1;
        a.Output[Math.Min(second, last)] = bits2;
        a.Output[Math.Min(third, last)] = bits3;
        a.Output[Math.Min(fourth, last)] = bits4;
    }
}
