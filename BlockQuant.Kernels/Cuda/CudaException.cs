using BlockQuant.Kernels.Cuda;

namespace BlockQuant;

/// <summary>A CUDA driver call that failed: which call, and the driver's name for the error.</summary>
public sealed class CudaException : DeviceException
{
    internal CudaException(string call, CudaResult result)
        : base($"{call} failed: {CudaDriver.ErrorName(result)}")
    {
        Call = call;
        Code = (int)result;
    }

    /// <summary>The driver function that failed.</summary>
    public string Call { get; }

    /// <summary>The driver's <c>CUresult</c>.</summary>
    public int Code { get; }
}
