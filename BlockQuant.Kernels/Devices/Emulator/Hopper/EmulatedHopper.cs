using System.Reflection;
using BlockQuant.Emulator;
using ILGPU;

namespace BlockQuant.Kernels.Hopper;

/// <summary>Runs Hopper kernels on the emulator, with the CPU bodies of their intrinsics.</summary>
/// <param name="accelerator">The emulator.</param>
/// <param name="multiprocessors">How many blocks a persistent kernel takes to run at once.</param>
internal sealed class EmulatedHopper(EmulatorAccelerator accelerator, int multiprocessors)
{
    /// <summary>A matmul of operands at addresses of the host; an access outside of them is a fault.</summary>
    public void Matmul(in MatmulCall call)
    {
        int blocks = (call.K + 127) / 128;
        var activations = new MemoryRegion("activations", call.Activations, call.M, call.K, call.ActivationPitch);
        var weights = new MemoryRegion("weights", call.Weights, call.N, call.K, call.WeightPitch);
        var activationScales = call.ScaleBlockStride == 1
            ? new MemoryRegion("activation scales", call.ActivationScales, call.M, blocks * 4, call.ScaleRowStride * 4)
            : new MemoryRegion("activation scales", call.ActivationScales, blocks, call.M * 4, call.ScaleBlockStride * 4);
        var weightScales = new MemoryRegion("weight scales", call.WeightScales, (call.N + 127) / 128, blocks * 4, blocks * 4);
        var output = new MemoryRegion(
            "output", call.Output, call.M, call.N * call.ElementBytes, call.OutputPitch * call.ElementBytes, IsWritable: true);
        var memory = new AddressSpace(
            [activations, weights, activationScales, weightScales, output],
            [
                new BoxMap(activations, call.Plan.TileM), new BoxMap(weights, call.Plan.TileN),
                new BoxMap(output, OutputRing.BoxRows, call.ElementBytes),
            ]);

        var matmul = MatmulArguments.Of(call);
        Launch(
            HopperKernel.All[HopperKernel.IndexOf(call.Plan)], MatmulArguments.Blocks(call, multiprocessors), call.Plan.SplitK, memory,
            matmul.Output, matmul.OutputPitch, matmul.OutputType, matmul.Store, matmul.RowScales, matmul.RowPitch, matmul.BlockPitch,
            matmul.WeightScales, matmul.Rows, matmul.Columns, matmul.Depth, matmul.Last);
    }

    /// <summary>Runs any kernel.</summary>
    /// <param name="kernel">The kernel.</param>
    /// <param name="blocks">Blocks of the grid.</param>
    /// <param name="cluster">Blocks of a cluster.</param>
    /// <param name="memory">What it may reach by address, and its tensor maps.</param>
    /// <param name="arguments">Its parameters but the maps.</param>
    public void Launch(HopperKernel kernel, int blocks, int cluster, AddressSpace memory, params object[] arguments)
    {
        var method = kernel.Type.GetMethod(kernel.Method, BindingFlags.Public | BindingFlags.Static)!;
        var config = new KernelConfig(blocks, kernel.Threads, new SharedMemoryConfig(kernel.SharedBytes, 1));
        accelerator.Launch(
            kernel.Name, values => method.Invoke(null, BindingFlags.DoNotWrapExceptions, null, values.Of, null), config,
            new Arguments(arguments), cluster, memory);
    }

    private readonly record struct Arguments(object[] Of);
}
