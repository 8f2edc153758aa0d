using System.Numerics;
using System.Runtime.InteropServices;

namespace BlockQuant.Emulator;

/// <summary>Keeps threads on a processor, where the system lets one.</summary>
internal static unsafe partial class ProcessorAffinity
{
    private const int MaskWords = 16;

    private static readonly int[] Processors = Allowed();

    /// <summary>Keeps the calling thread on one of the processors that the process may use; elsewhere than on Linux does nothing.</summary>
    public static void Pin(int number)
    {
        if (Processors.Length == 0)
            return;
        int processor = Processors[number % Processors.Length];
        ulong* mask = stackalloc ulong[MaskWords];
        new Span<ulong>(mask, MaskWords).Clear();
        mask[processor / 64] = 1UL << (processor % 64);
        _ = SetAffinity(0, MaskWords * sizeof(ulong), mask);
    }

    private static int[] Allowed()
    {
        if (!OperatingSystem.IsLinux())
            return [];
        ulong* mask = stackalloc ulong[MaskWords];
        new Span<ulong>(mask, MaskWords).Clear();
        if (GetAffinity(0, MaskWords * sizeof(ulong), mask) != 0)
            return [];
        List<int> processors = [];
        for (int word = 0; word < MaskWords; word++)
        {
            for (ulong left = mask[word]; left != 0; left &= left - 1)
                processors.Add(word * 64 + BitOperations.TrailingZeroCount(left));
        }
        return [.. processors];
    }

    [LibraryImport("libc", EntryPoint = "sched_setaffinity")]
    private static partial int SetAffinity(int thread, nint maskBytes, ulong* mask);

    [LibraryImport("libc", EntryPoint = "sched_getaffinity")]
    private static partial int GetAffinity(int thread, nint maskBytes, ulong* mask);
}
