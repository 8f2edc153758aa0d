using ILGPU;
using ILGPU.Runtime;

namespace BlockQuant;

/// <content>Over the memory of ILGPU's CPU accelerator.</content>
internal sealed partial class HostDevice : IlgpuDevice
{
    internal HostDevice(Accelerator accelerator, Context owned)
        : base(accelerator, owned)
        => Traits = Describe(Traits);
}
