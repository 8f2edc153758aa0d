#if !EMULATOR
using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.CPU;

namespace BlockQuant.Tests.Devices;

/// <summary>What ILGPU reports of a device leaves the library as its own exception.</summary>
internal sealed class FaultTests
{
    [Test]
    public void A_copy_that_fails_is_a_device_exception()
    {
        using Context context = Context.Create(builder => builder.CPU(new CPUDevice(4, 2, 1)));
        using Accelerator accelerator = context.CreateCPUAccelerator(0);
        using ComputeDevice device = ComputeDevice.FromAccelerator(accelerator);
        using DeviceBuffer<float> buffer = device.Upload<float>([1f, 2f]);
        using var broken = new BrokenStream(accelerator);

        foreach (Action copy in (Action[])[() => buffer.CopyFrom([3f, 4f], broken), () => buffer.ToArray(broken)])
        {
            copy.Should().Throw<DeviceException>().WithMessage($"{device.Name}: an illegal access").WithInnerException<Fault>();
        }
    }

    private sealed class Fault() : AcceleratorException("an illegal access")
    {
        public override AcceleratorType AcceleratorType => AcceleratorType.CPU;
    }

    /// <summary>A stream that ends with a fault.</summary>
    private sealed class BrokenStream(Accelerator accelerator) : AcceleratorStream(accelerator)
    {
        public override void Synchronize() => throw new Fault();

        protected override ProfilingMarker AddProfilingMarkerInternal() => throw new NotSupportedException();

        protected override void DisposeAcceleratorObject(bool disposing)
        {
        }
    }
}
#endif
