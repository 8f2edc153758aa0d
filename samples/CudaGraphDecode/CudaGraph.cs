using System.Reflection;
using System.Runtime.InteropServices;
using ILGPU.Runtime;

namespace BlockQuant.Samples;

/// <summary>A step captured from a stream into a graph by the CUDA driver; a replay is one call to it.</summary>
internal sealed partial class CudaGraph : CapturedStep
{
    private const string Driver = "cuda-driver";

    private readonly nint stream;
    private readonly nint executable;

    static CudaGraph() => NativeLibrary.SetDllImportResolver(typeof(CudaGraph).Assembly, Resolve);

    public CudaGraph(ComputeDevice device, AcceleratorStream stream, Action<AcceleratorStream> step)
        : base(device, stream, step)
    {
        this.stream = device.CudaStreamHandle(stream);

        // Mode 0: a call that no graph can hold fails instead of being left out.
        Check(cuStreamBeginCapture_v2(this.stream, 0));
        step(stream);
        Check(cuStreamEndCapture(this.stream, out nint graph));
        Check(cuGraphInstantiateWithFlags(out executable, graph, 0));
        Check(cuGraphDestroy(graph));
    }

    public override string Description => "captured: yes, in a CUDA graph, which each step replays";

    public override void Run() => Check(cuGraphLaunch(executable, stream));

    public override void Dispose() => Check(cuGraphExecDestroy(executable));

    private static void Check(int result)
    {
        if (result != 0)
        {
            throw new InvalidOperationException($"The CUDA driver returned error {result}.");
        }
    }

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? path)
        => name == Driver ? NativeLibrary.Load(OperatingSystem.IsWindows() ? "nvcuda" : "libcuda.so.1") : 0;

    [LibraryImport(Driver)]
    private static partial int cuStreamBeginCapture_v2(nint stream, int mode);

    [LibraryImport(Driver)]
    private static partial int cuStreamEndCapture(nint stream, out nint graph);

    [LibraryImport(Driver)]
    private static partial int cuGraphInstantiateWithFlags(out nint executable, nint graph, ulong flags);

    [LibraryImport(Driver)]
    private static partial int cuGraphLaunch(nint executable, nint stream);

    [LibraryImport(Driver)]
    private static partial int cuGraphDestroy(nint graph);

    [LibraryImport(Driver)]
    private static partial int cuGraphExecDestroy(nint executable);
}
