using System.Runtime.InteropServices;

namespace BlockQuant.Kernels.Cuda;

/// <summary>The driver's result codes that are told apart here.</summary>
internal enum CudaResult
{
    Success = 0,
    OutOfMemory = 2,
}

/// <summary>The device attributes read here, with the driver's numbers.</summary>
internal enum CudaDeviceAttribute
{
    MaxThreadsPerBlock = 1,
    MaxSharedMemoryPerBlock = 8,
    WarpSize = 10,
    MultiprocessorCount = 16,
    L2CacheBytes = 38,
    ComputeCapabilityMajor = 75,
    ComputeCapabilityMinor = 76,
    MaxSharedMemoryPerBlockOptIn = 97,
}

/// <summary>The function attributes read and set here, with the driver's numbers.</summary>
internal enum CudaFunctionAttribute
{
    LocalBytes = 3,
    Registers = 4,
    MaxDynamicSharedBytes = 8,
}

/// <summary>The driver's <c>CUlaunchConfig</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct CudaLaunch
{
    public uint GridX, GridY, GridZ;
    public uint BlockX, BlockY, BlockZ;
    public uint SharedBytes;
    public IntPtr Stream;
    public CudaLaunchAttribute* Attributes;
    public uint AttributeCount;
}

/// <summary>The driver's <c>CUlaunchAttribute</c>: a number and a 64-byte value.</summary>
[StructLayout(LayoutKind.Explicit, Size = 72)]
internal struct CudaLaunchAttribute
{
    /// <summary>The blocks of a cluster along x, y and z.</summary>
    public const int ClusterDimension = 4;

    /// <summary>1 lets the kernel start before the one ahead of it in the stream has ended.</summary>
    public const int ProgrammaticStreamSerialization = 6;

    [FieldOffset(0)]
    public int Id;

    [FieldOffset(8)]
    public int X;

    [FieldOffset(12)]
    public int Y;

    [FieldOffset(16)]
    public int Z;
}
