using System.Runtime.InteropServices;
using BlockQuant.Emulator;

namespace BlockQuant.Kernels.TensorCores.Lora;

internal partial struct SliceParameter
{
    public static partial long ReadInt64(int offset, int field) => Read<long>(offset + field);

    public static partial int ReadInt32(int offset, int field) => Read<int>(offset + field);

    private static T Read<T>(int offset)
        where T : unmanaged
        => MemoryMarshal.Read<T>(EmulatedLane.Current.Group.Launch.Memory.Parameter.Span[offset..]);
}
