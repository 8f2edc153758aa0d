using ILGPU.Runtime;

namespace BlockQuant.Emulator;

/// <summary>The emulator's stream: every launch and copy is done when its call returns.</summary>
public sealed class EmulatorStream : AcceleratorStream
{
    /// <inheritdoc/>
    public override void Synchronize()
    {
    }
}
