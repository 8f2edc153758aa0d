using System.Diagnostics;
using System.Globalization;

namespace BlockQuant.Tests.Hardening;

/// <summary>
/// Very many calls one after the other leave nothing behind. BLOCKQUANT_SOAK says how many; unset, as many as fit the suite.
/// </summary>
public sealed class SoakTests
{
    /// <summary>Calls that load every kernel and fill every pool before anything is measured.</summary>
    private const int WarmUp = 2000;

    // Pooled arrays, code and the collector's own bookkeeping move by this much; 10 000 calls that leaked 105 bytes each would pass it.
    private const long HeapSlack = 1024 * 1024;

    private const int HandleSlack = 16;

    [Test]
    public void Memory_stays_flat([Values] TestedDevice tested)
    {
        using ComputeDevice device = tested.Open();
        int calls = Environment.GetEnvironmentVariable("BLOCKQUANT_SOAK") is { Length: > 0 } asked
            ? int.Parse(asked, CultureInfo.InvariantCulture)
            : tested.Affords(10_000, 2_400);
        Run(device, 0, WarmUp);
        long kernels = device.LoadCount;
        (long heap, int handles) = Held();
        var time = Stopwatch.StartNew();
        Run(device, WarmUp, calls);
        TestContext.Out.WriteLine($"{device}: {calls} calls in {time.Elapsed.TotalSeconds:F1} s");
        (long heapAfter, int handlesAfter) = Held();
        TestContext.Out.WriteLine($"heap {heap} -> {heapAfter} bytes, handles {handles} -> {handlesAfter}, kernels {kernels} -> {device.LoadCount}");

        device.BufferCount.Should().Be(0);
        device.AllocatedBytes.Should().Be(0);
        heapAfter.Should().BeLessThan(heap + HeapSlack);
        handlesAfter.Should().BeLessThanOrEqualTo(handles + HandleSlack);
    }

    private static void Run(ComputeDevice device, int first, int count)
    {
        for (int number = first; number < first + count; number++)
        {
            try
            {
                RandomCall.Run(device, number);
            }
            catch (Exception error)
            {
                throw new AssertionException($"call {number} on {device}: {error}", error);
            }

            device.BufferCount.Should().Be(0, "call {0} frees what it allocated", number);
        }
    }

    private static (long Heap, int Handles) Held()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        using var process = Process.GetCurrentProcess();
        return (GC.GetTotalMemory(forceFullCollection: true), process.HandleCount);
    }
}
