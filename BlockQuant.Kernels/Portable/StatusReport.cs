using ILGPU;

namespace BlockQuant.Kernels.Portable;

/// <summary>How a kernel writes a <see cref="DeviceStatus"/>.</summary>
internal static class StatusReport
{
    /// <summary>The place that stands for "nothing is wrong" while the lowest wrong place is looked for.</summary>
    public const int Nowhere = int.MaxValue;

    /// <summary>Writes a fault unless there is one already, or no status. One lane of the launch calls it.</summary>
    public static void Write(ArrayView<int> status, int code, int index, int found, int limit)
    {
        if (status.Length < DeviceStatus.Length || status[0] != (int)DeviceStatusCode.None)
        {
            return;
        }

        status[0] = code;
        status[1] = index;
        status[2] = found;
        status[3] = limit;
    }
}
