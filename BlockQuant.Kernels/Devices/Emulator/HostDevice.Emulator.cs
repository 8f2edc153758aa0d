using BlockQuant.Emulator;

namespace BlockQuant;

/// <content>Over the emulator's memory.</content>
internal sealed partial class HostDevice : EmulatorDevice
{
    internal HostDevice()
        : base(new EmulatorAccelerator())
        => Traits = Describe(Traits);
}
