#if EMULATOR
using BlockQuant.Emulator;
using BlockQuant.Kernels;
using BlockQuant.Kernels.Cuda;
#endif
using BlockQuant.Scheduling;
#if !EMULATOR
using ILGPU;
using ILGPU.Runtime.CPU;
#endif

namespace BlockQuant.Tests;

/// <summary>
/// The device that operator tests run on: the best GPU, else the portable kernels on the processor; or the one that BLOCKQUANT_DEVICE names: Cuda,
/// OpenCL, Cpu (the portable kernels on the processor) or Host (the host engine).
/// </summary>
[SetUpFixture]
public sealed class TestDevice
{
    private static readonly Lazy<ComputeDevice> Opened = new(Open);

    public static ComputeDevice Shared => Opened.Value;

    /// <summary>ILGPU's CPU accelerator takes milliseconds a barrier, so it gets smaller shapes.</summary>
    public static bool IsSlow =>
#if EMULATOR
        false;
#else
        Shared.Kind == DeviceKind.Cpu && Shared is not HostDevice;
#endif

    [OneTimeSetUp]
    public void Tell() => TestContext.Progress.WriteLine($"operator tests run on: {Shared}");

    [OneTimeTearDown]
    public void Close()
    {
        if (Opened.IsValueCreated)
        {
            Opened.Value.Dispose();
        }
    }

    /// <summary>Opens one more of the same kind.</summary>
    public static ComputeDevice Open() => Environment.GetEnvironmentVariable("BLOCKQUANT_DEVICE") switch
    {
        "Host" => ComputeDevice.Create(DeviceKind.Cpu),
        "Cpu" => OpenPortable(),
        { Length: > 0 } kind => ComputeDevice.Create(Enum.Parse<DeviceKind>(kind)),
        _ => ComputeDevice.List().FirstOrDefault(device => device.IsUsable) is { Kind: not DeviceKind.Cpu } gpu
            ? ComputeDevice.Create(gpu.Kind, gpu.Index)
            : OpenPortable(),
    };

    /// <summary>
    /// Opens one whose memory and streams are not those of <see cref="Open"/>. Devices of one GPU share its context where its PTX is embedded, so
    /// there it is the host engine.
    /// </summary>
    public static ComputeDevice OpenOther()
    {
        ComputeDevice other = Open();
        if (!ReferenceEquals(other.Accelerator, Shared.Accelerator))
        {
            return other;
        }

        other.Dispose();
        return ComputeDevice.Create(DeviceKind.Cpu);
    }

#if EMULATOR
    private static ComputeDevice OpenPortable()
        => new EmbeddedOnlyDevice(new EmulatorAccelerator(new EmulatorOptions { CheckUninitialisedGlobalReads = true }));

    /// <summary>An emulator that refuses, as a GPU without ILGPU does, a kernel of which the library carries no PTX.</summary>
    private sealed class EmbeddedOnlyDevice(EmulatorAccelerator accelerator) : EmulatorDevice(accelerator)
    {
        private protected override Delegate Load<TArguments>(Kernel<TArguments> kernel)
        {
            EmbeddedPtx.Read(EmbeddedPtx.EntryOf(kernel.Name));
            return base.Load(kernel);
        }
    }
#else
    private static ComputeDevice OpenPortable()
    {
        // One OS thread stands for each lane: small groups, one group a core.
        Context context = Context.Create(builder => builder
            .Optimize(OptimizationLevel.O2)
            .Inlining(InliningMode.Aggressive)
            .CPU(new CPUDevice(4, 2, Environment.ProcessorCount)));
        return new IlgpuDevice(context.CreateCPUAccelerator(0), context);
    }
#endif
}
