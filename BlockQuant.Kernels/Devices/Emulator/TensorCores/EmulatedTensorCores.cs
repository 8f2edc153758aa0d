using System.Runtime.InteropServices;
using BlockQuant.Emulator;
using BlockQuant.Kernels.Hopper;
using BlockQuant.Kernels.TensorCores.Dense;
using BlockQuant.Kernels.TensorCores.Lora;
using BlockQuant.Scheduling;
using ILGPU;

namespace BlockQuant.Kernels.TensorCores;

/// <summary>Runs the kernels of warp-level tensor cores on the emulator, with the CPU bodies of their intrinsics.</summary>
/// <param name="accelerator">The emulator.</param>
internal sealed class EmulatedTensorCores(EmulatorAccelerator accelerator)
{
    /// <summary>A dense product of operands at addresses of the host; an access outside of them is a fault.</summary>
    public void Dense(in DenseCall call, DenseTensorPlan plan)
    {
        int blocks = (call.K + 127) / 128, weightBlocks = (call.N + 127) / 128;
        long outputBytes = (long)call.N * (call.OutputType == (int)OutputType.Single ? 4 : 2);
        var memory = new AddressSpace(
            [
                new MemoryRegion("activations", call.Activations, call.M, call.K, call.K),
                new MemoryRegion("weights", call.Weights, call.N, call.K, call.K),
                new MemoryRegion("activation scales", call.ActivationScales, call.M, blocks * 4, blocks * 4),
                new MemoryRegion("weight scales", call.WeightScales, weightBlocks, blocks * 4, blocks * 4),
                new MemoryRegion("output", call.Output, call.M, outputBytes, outputBytes, IsWritable: true),
            ],
            []);
        Launch(DenseKernels.Of(plan), call, DenseKernels.Grid(call, plan), memory);
    }

    /// <summary>A LoRA shrink or expand.</summary>
    /// <param name="kernel">The kernel.</param>
    /// <param name="call">Its operands.</param>
    /// <param name="slices">The slices' weights, at most <see cref="SliceParameter.Capacity"/>.</param>
    /// <param name="grid">The groups.</param>
    /// <param name="regions">What it may reach.</param>
    public void Lora(TensorCoreKernel kernel, in LoraCall call, SliceParameter[] slices, in TensorCoreGrid grid, IReadOnlyList<MemoryRegion> regions)
    {
        var memory = new AddressSpace(regions, [])
        {
            Parameter = MemoryMarshal.AsBytes(slices.AsSpan()).ToArray(),
            IsDependent = grid.DependentLaunch,
        };
        Launch(kernel, call, grid with { Z = slices.Length }, memory);
    }

    private void Launch<TCall>(TensorCoreKernel kernel, TCall call, in TensorCoreGrid grid, AddressSpace memory)
        where TCall : struct
    {
        var config = new KernelConfig(
            new Index3D(checked((int)grid.X), checked((int)grid.Y), checked((int)grid.Z)), new Index3D(kernel.Lanes, 1, 1),
            new SharedMemoryConfig(kernel.SharedBytes, 1));
        accelerator.Launch(kernel.Name, (Action<TCall>)kernel.Method, config, call, grid.Cluster, memory);
    }
}
