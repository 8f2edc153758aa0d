using ILGPU;

namespace BlockQuant.Kernels.Portable;

/// <summary>Arguments of <see cref="AdapterMapCheckKernel"/>.</summary>
internal struct AdapterMapCheckArguments : IKernelArguments
{
    public ArrayView<int> Counts;
    public ArrayView<int> Starts;
    public int Tokens;

    /// <summary>A <see cref="DeviceStatus"/>.</summary>
    public ArrayView<int> Status;

    /// <inheritdoc/>
    public readonly void Write(ref ArgumentBlock block)
    {
        block.Add(Counts);
        block.Add(Starts);
        block.Add(Tokens);
        block.Add(Status);
    }
}

/// <summary>
/// Reports the first entry of a map whose tokens are not a part of the sorted ones. One lane: entries are few. An entry without tokens may have
/// any start, as the reference leaves zeros behind the last that has some.
/// </summary>
internal static class AdapterMapCheckKernel
{
    public static void Run(AdapterMapCheckArguments a)
    {
        int fault = 0;
        for (int entry = 0; entry < a.Counts.Length && fault == 0; entry++)
        {
            int count = a.Counts[entry];
            int start = a.Starts[entry];
            if (count < 0)
            {
                fault = (int)DeviceStatusCode.OffsetsDecrease;
                StatusReport.Write(a.Status, fault, entry, start + count, start);
            }
            else if (count > 0 && start < 0)
            {
                fault = (int)DeviceStatusCode.OffsetsStart;
                StatusReport.Write(a.Status, fault, entry, start, 0);
            }
            else if (count > 0 && (long)start + count > a.Tokens)
            {
                fault = (int)DeviceStatusCode.OffsetsEnd;
                StatusReport.Write(a.Status, fault, entry, start + count, a.Tokens);
            }
        }
    }
}
