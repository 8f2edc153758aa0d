using System.Reflection;
using BlockQuant.Emulator;
using ILGPU;

namespace BlockQuant.Kernels.Hopper;

/// <summary>Runs Hopper kernels on the emulator, with the CPU bodies of their intrinsics.</summary>
/// <param name="accelerator">The emulator.</param>
/// <param name="multiprocessors">How many blocks a persistent kernel takes to run at once.</param>
internal sealed partial class EmulatedHopper(EmulatorAccelerator accelerator, int multiprocessors)
{
    /// <summary>A matmul of operands at addresses of the host; an access outside of them is a fault.</summary>
    public void Matmul(in MatmulCall call)
    {
        var output = Output(call, call.ElementBytes);
        var memory = Memory(call, [output], [new BoxMap(output, OutputBoxes.Rows, call.ElementBytes)]);
        if (call.QuantizesActivations)
        {
            var fused = FusedMatmulArguments.Of(call);
            Launch(
                call, memory, fused.Output, fused.OutputPitch, fused.OutputType, fused.Store, fused.Activations, fused.ActivationPitch,
                fused.WeightScales, fused.Rows, fused.Columns, fused.Depth, fused.Early);
            return;
        }
        var matmul = MatmulArguments.Of(call);
        if (MatmulArguments.BringsScales(call, multiprocessors))
            matmul.BlockPitch = 0;
        Launch(
            call, memory, matmul.Output, matmul.OutputPitch, matmul.OutputType, matmul.Store, matmul.RowScales, matmul.RowPitch, matmul.BlockPitch,
            matmul.WeightScales, matmul.Rows, matmul.Columns, matmul.Depth, matmul.Last);
    }

    private void Launch(in MatmulCall call, AddressSpace memory, params object[] arguments)
    {
        var kernel = HopperKernel.All[HopperKernel.IndexOf(call)];
        kernel = kernel with { SharedBytes = MatmulArguments.SharedBytes(call, kernel, multiprocessors) };
        Launch(kernel, MatmulArguments.Blocks(call, multiprocessors), call.Plan.ClusterSize, memory, arguments);
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

    private static MemoryRegion Output(in MatmulCall call, int elementBytes) =>
        new("output", call.Output, call.M, call.N * elementBytes, call.OutputPitch * elementBytes, IsWritable: true);

    // The operands, and what a kernel takes beside them.
    private static AddressSpace Memory(in MatmulCall call, MemoryRegion[] others, BoxMap[] maps)
    {
        int blocks = (call.K + 127) / 128;
        int activationBytes = call.QuantizesActivations ? sizeof(ushort) : 1;
        var activations = new MemoryRegion(
            "activations", call.Activations, call.M, call.K * activationBytes, call.ActivationPitch * activationBytes);
        var weights = new MemoryRegion("weights", call.Weights, call.N, call.K, call.WeightPitch);
        var activationScales = ActivationScales(call.ActivationScales, call.M, blocks, call.ScaleRowStride, call.ScaleBlockStride);
        var weightScales = new MemoryRegion("weight scales", call.WeightScales, (call.N + 127) / 128, blocks * 4, blocks * 4);
        return new AddressSpace(
            [activations, weights, activationScales, weightScales, .. others],
            [
                new BoxMap(activations, MatmulArguments.ActivationBox(call)), new BoxMap(weights, MatmulArguments.WeightBox(call.Plan)),
                new BoxMap(activationScales, PrefillRing.TileM, sizeof(float), ScaleSlots.RowBytes), .. maps,
            ]);
    }

    private static MemoryRegion ActivationScales(IntPtr address, int rows, int blocks, long rowStride, long blockStride) => blockStride == 1
        ? new MemoryRegion("activation scales", address, rows, blocks * 4, rowStride * 4)
        : new MemoryRegion("activation scales", address, blocks, rows * 4, blockStride * 4);

    private readonly record struct Arguments(object[] Of);
}
