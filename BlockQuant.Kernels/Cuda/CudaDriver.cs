using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace BlockQuant.Kernels.Cuda;

/// <summary>The part of the CUDA driver API that BlockQuant calls, bound by hand: a few functions, no package.</summary>
internal static unsafe partial class CudaDriver
{
    private const string Library = "cuda";
    private const int FirstVersionWithContextIds = 12000;
    private static readonly Lazy<string> Probe = new(Initialize);
    private static readonly Lazy<bool> HasContextIds = new(() => cuDriverGetVersion(out int version) == CudaResult.Success && version >= FirstVersionWithContextIds);

    static CudaDriver()
    {
        NativeLibrary.SetDllImportResolver(typeof(CudaDriver).Assembly, Resolve);
    }

    /// <summary>Whether a CUDA driver with at least one device is there. Never throws; the answer is kept.</summary>
    public static bool IsAvailable => WhyUnavailable.Length == 0;

    /// <summary>Why <see cref="IsAvailable"/> is false, or an empty string.</summary>
    public static string WhyUnavailable => Probe.Value;

    private static string LibraryFile => OperatingSystem.IsWindows() ? "nvcuda.dll" : "libcuda.so.1";

    /// <summary>Throws a <see cref="CudaException"/> naming <paramref name="call"/> unless <paramref name="result"/> is success.</summary>
    public static void Check(CudaResult result, [CallerArgumentExpression(nameof(result))] string call = "")
    {
        if (result != CudaResult.Success)
            Throw(result, call);
    }

    /// <summary>The driver's name for an error, such as <c>CUDA_ERROR_OUT_OF_MEMORY</c>.</summary>
    public static string ErrorName(CudaResult result) =>
        cuGetErrorName(result, out var name) == CudaResult.Success ? Marshal.PtrToStringAnsi(name)! : $"CUresult {(int)result}";

    /// <summary>An attribute of a device, such as its multiprocessor count.</summary>
    public static int DeviceAttribute(int device, CudaDeviceAttribute attribute)
    {
        Check(cuDeviceGetAttribute(out int value, attribute, device));
        return value;
    }

    /// <summary>
    /// The number of the calling thread's current context. Its address would not do to know it by: when the context is destroyed, another may get it.
    /// Drivers before CUDA 12 have no better.
    /// </summary>
    public static ulong CurrentContextId()
    {
        if (HasContextIds.Value)
        {
            Check(cuCtxGetId(IntPtr.Zero, out ulong id));
            return id;
        }

        Check(cuCtxGetCurrent(out IntPtr context));
        return (ulong)context;
    }

    // Kept out of Check, so that the success path inlines and allocates nothing.
    private static void Throw(CudaResult result, string call)
    {
        int parenthesis = call.IndexOf('(');
        throw new CudaException(parenthesis > 0 ? call[..parenthesis] : call, result);
    }

    private static string Initialize()
    {
        try
        {
            var result = cuInit(0);
            if (result != CudaResult.Success)
                return $"the driver reports {ErrorName(result)}";
            Check(cuDeviceGetCount(out int count));
            return count > 0 ? string.Empty : $"the driver library {LibraryFile} is here but reports no device";
        }
        catch (Exception error) when (error is DllNotFoundException or EntryPointNotFoundException or BadImageFormatException)
        {
            return $"the driver library {LibraryFile} was not found or is not usable";
        }
    }

    private static IntPtr Resolve(string name, Assembly assembly, DllImportSearchPath? path)
    {
        if (name != Library)
            return IntPtr.Zero;
        return NativeLibrary.TryLoad(LibraryFile, assembly, path, out var handle) ? handle : IntPtr.Zero;
    }

    [LibraryImport(Library)]
    public static partial CudaResult cuInit(uint flags);

    [LibraryImport(Library)]
    public static partial CudaResult cuGetErrorName(CudaResult error, out IntPtr name);

    [LibraryImport(Library)]
    public static partial CudaResult cuDriverGetVersion(out int version);

    [LibraryImport(Library)]
    public static partial CudaResult cuDeviceGetCount(out int count);

    [LibraryImport(Library)]
    public static partial CudaResult cuDeviceGet(out int device, int ordinal);

    [LibraryImport(Library)]
    public static partial CudaResult cuDeviceGetName(byte* name, int length, int device);

    [LibraryImport(Library, EntryPoint = "cuDeviceTotalMem_v2")]
    public static partial CudaResult cuDeviceTotalMem(out nuint bytes, int device);

    [LibraryImport(Library)]
    public static partial CudaResult cuDeviceGetAttribute(out int value, CudaDeviceAttribute attribute, int device);

    [LibraryImport(Library)]
    public static partial CudaResult cuDevicePrimaryCtxRetain(out IntPtr context, int device);

    [LibraryImport(Library, EntryPoint = "cuDevicePrimaryCtxRelease_v2")]
    public static partial CudaResult cuDevicePrimaryCtxRelease(int device);

    [LibraryImport(Library)]
    public static partial CudaResult cuCtxGetCurrent(out IntPtr context);

    [LibraryImport(Library)]
    public static partial CudaResult cuCtxGetId(IntPtr context, out ulong id);

    [LibraryImport(Library)]
    public static partial CudaResult cuCtxSetCurrent(IntPtr context);

    [LibraryImport(Library)]
    public static partial CudaResult cuCtxSynchronize();

    [LibraryImport(Library)]
    public static partial CudaResult cuCtxGetDevice(out int device);

    [LibraryImport(Library, EntryPoint = "cuMemAlloc_v2")]
    public static partial CudaResult cuMemAlloc(out IntPtr pointer, nuint bytes);

    [LibraryImport(Library, EntryPoint = "cuMemFree_v2")]
    public static partial CudaResult cuMemFree(IntPtr pointer);

    [LibraryImport(Library)]
    public static partial CudaResult cuMemcpyAsync(IntPtr target, IntPtr source, nuint bytes, IntPtr stream);

    [LibraryImport(Library)]
    public static partial CudaResult cuMemsetD8Async(IntPtr target, byte value, nuint bytes, IntPtr stream);

    [LibraryImport(Library)]
    public static partial CudaResult cuStreamCreate(out IntPtr stream, uint flags);

    [LibraryImport(Library, EntryPoint = "cuStreamDestroy_v2")]
    public static partial CudaResult cuStreamDestroy(IntPtr stream);

    [LibraryImport(Library)]
    public static partial CudaResult cuStreamSynchronize(IntPtr stream);

    [LibraryImport(Library, EntryPoint = "cuStreamBeginCapture_v2")]
    public static partial CudaResult cuStreamBeginCapture(IntPtr stream, int mode);

    [LibraryImport(Library)]
    public static partial CudaResult cuStreamEndCapture(IntPtr stream, out IntPtr graph);

    [LibraryImport(Library)]
    public static partial CudaResult cuGraphInstantiateWithFlags(out IntPtr executable, IntPtr graph, ulong flags);

    [LibraryImport(Library)]
    public static partial CudaResult cuGraphLaunch(IntPtr executable, IntPtr stream);

    [LibraryImport(Library)]
    public static partial CudaResult cuGraphExecDestroy(IntPtr executable);

    [LibraryImport(Library)]
    public static partial CudaResult cuGraphDestroy(IntPtr graph);

    [LibraryImport(Library)]
    public static partial CudaResult cuEventCreate(out IntPtr handle, uint flags);

    [LibraryImport(Library)]
    public static partial CudaResult cuEventRecord(IntPtr handle, IntPtr stream);

    [LibraryImport(Library)]
    public static partial CudaResult cuEventSynchronize(IntPtr handle);

    [LibraryImport(Library)]
    public static partial CudaResult cuEventElapsedTime(out float milliseconds, IntPtr start, IntPtr end);

    [LibraryImport(Library, EntryPoint = "cuEventDestroy_v2")]
    public static partial CudaResult cuEventDestroy(IntPtr handle);

    [LibraryImport(Library)]
    public static partial CudaResult cuModuleLoadDataEx(out IntPtr module, byte* image, uint count, int* options, void** values);

    [LibraryImport(Library)]
    public static partial CudaResult cuModuleUnload(IntPtr module);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial CudaResult cuModuleGetFunction(out IntPtr function, IntPtr module, string name);

    [LibraryImport(Library)]
    public static partial CudaResult cuFuncGetAttribute(out int value, CudaFunctionAttribute attribute, IntPtr function);

    [LibraryImport(Library)]
    public static partial CudaResult cuFuncSetAttribute(IntPtr function, CudaFunctionAttribute attribute, int value);

    [LibraryImport(Library)]
    public static partial CudaResult cuLaunchKernel(
        IntPtr function, uint gridX, uint gridY, uint gridZ, uint blockX, uint blockY, uint blockZ, uint sharedBytes, IntPtr stream, void** arguments, void** extra);

    [LibraryImport(Library)]
    public static partial CudaResult cuLaunchKernelEx(CudaLaunch* launch, IntPtr function, void** arguments, void** extra);

    [LibraryImport(Library)]
    public static partial CudaResult cuTensorMapEncodeTiled(
        void* map, int dataType, uint rank, IntPtr address, ulong* sizes, ulong* strides, uint* box, uint* elementStrides,
        int interleave, int swizzle, int promotion, int outOfBounds);
}
