using System.Text;

namespace BlockQuant.Kernels.Cuda;

/// <summary>
/// One kernel's PTX, compiled by the driver for the current context's device and ready to launch. The driver keeps what it compiled
/// on disk by content, so only the first process on a machine compiles. (Its linker, which would hand the cubin over for a cache of
/// our own, gives up setmaxnreg and spills.)
/// </summary>
internal sealed unsafe class CudaModule
{
    private const int LogBytes = 1 << 16;
    private const int InfoLogBuffer = 3, InfoLogBytes = 4, ErrorLogBuffer = 5, ErrorLogBytes = 6, LogVerbose = 12;

    private CudaModule(IntPtr function, string log)
    {
        Function = function;
        CompileLog = log;
        CudaDriver.Check(CudaDriver.cuFuncGetAttribute(out int registers, CudaFunctionAttribute.Registers, function));
        CudaDriver.Check(CudaDriver.cuFuncGetAttribute(out int local, CudaFunctionAttribute.LocalBytes, function));
        Registers = registers;
        LocalBytes = local;
    }

    /// <summary>The driver's function handle.</summary>
    public IntPtr Function { get; }

    /// <summary>Registers a thread uses.</summary>
    public int Registers { get; }

    /// <summary>Bytes of local memory a thread uses; above 0, registers were spilled.</summary>
    public int LocalBytes { get; }

    /// <summary>The assembler's log; empty where the cubin came from the cache.</summary>
    public string CompileLog { get; }

    /// <summary>Compiles and loads <paramref name="entry"/> of a PTX text into the current context.</summary>
    /// <param name="ptx">PTX text.</param>
    /// <param name="entry">Name of the entry.</param>
    /// <param name="sharedBytes">Dynamic shared memory of every launch; may exceed 48 KB.</param>
    /// <param name="maySpill">Whether the kernel is one that need not keep to registers.</param>
    /// <exception cref="DeviceException">The assembler refused the PTX, or spilled registers; the message has its log.</exception>
    public static CudaModule Load(string ptx, string entry, int sharedBytes, bool maySpill = false)
    {
        byte[] text = Encoding.ASCII.GetBytes(ptx + "\0");
        byte[] info = new byte[LogBytes], errors = new byte[LogBytes];
        fixed (byte* source = text, infoBuffer = info, errorBuffer = errors)
        {
            int* options = stackalloc int[5] { InfoLogBuffer, InfoLogBytes, ErrorLogBuffer, ErrorLogBytes, LogVerbose };
            void** values = stackalloc void*[5] { infoBuffer, (void*)LogBytes, errorBuffer, (void*)LogBytes, (void*)1 };
            var result = CudaDriver.cuModuleLoadDataEx(out var module, source, 5, options, values);
            if (result != CudaResult.Success)
            {
                string reason = CudaDriver.ErrorName(result);
                throw new DeviceException($"The driver cannot compile kernel '{entry}' ({reason}): {LogText(errors)}{LogText(info)}");
            }
            CudaDriver.Check(CudaDriver.cuModuleGetFunction(out var function, module, entry));
            CudaDriver.Check(CudaDriver.cuFuncSetAttribute(function, CudaFunctionAttribute.MaxDynamicSharedBytes, sharedBytes));
            var loaded = new CudaModule(function, LogText(info));
            return maySpill || loaded.LocalBytes == 0
                ? loaded
                : throw new DeviceException($"Kernel '{entry}' spills registers: {loaded.CompileLog}");
        }
    }

    private static string LogText(byte[] buffer) => Encoding.ASCII.GetString(buffer).TrimEnd('\0');
}
