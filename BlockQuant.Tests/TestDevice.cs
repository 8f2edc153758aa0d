#if EMULATOR
using BlockQuant.Emulator;
#endif
using BlockQuant.Scheduling;

namespace BlockQuant.Tests;

/// <summary>The device that operator tests run on: the best one, or the kind that BLOCKQUANT_DEVICE names (Cuda, OpenCL, Cpu).</summary>
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
        Shared.Kind == DeviceKind.Cpu;
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

    private static ComputeDevice Open()
    {
        if (Environment.GetEnvironmentVariable("BLOCKQUANT_DEVICE") is { Length: > 0 } kind)
        {
            return ComputeDevice.Create(Enum.Parse<DeviceKind>(kind, ignoreCase: true));
        }

#if EMULATOR
        return ComputeDevice.FromAccelerator(new EmulatorAccelerator(new EmulatorOptions { CheckUninitialisedGlobalReads = true }));
#else
        return ComputeDevice.CreateDefault();
#endif
    }
}
