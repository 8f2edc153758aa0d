using System.Runtime.InteropServices;
using BlockQuant.Emulator;

namespace BlockQuant.Kernels.Hopper.Intrinsics;

/// <content>A tensor map's address is its number among the launch's maps.</content>
internal static partial class Tma
{
    private const int LineBytes = 128;
    private const int ChunkBytes = 16;

    // The swizzle repeats after so many bytes, which matrix descriptors take for granted.
    private const int BoxAlignment = 1024;

    public static partial long MapA() => 0;

    public static partial long MapB() => 1;

    public static partial long MapC() => 2;

    public static partial void Prefetch(long map)
    {
    }

    public static partial void Load(int target, long map, int column, int row, int barrier) =>
        EmulatedLane.Elect("Tma.Load", (target, map, column, row, barrier), static load => Start(load.target, load.map, load.column, load.row, load.barrier));

    public static partial void Store(int source, long map, int column, int row, int barrier) =>
        EmulatedLane.Elect("Tma.Store", (source, map, column, row, barrier), static store => Finish(store.source, store.map, store.column, store.row, store.barrier));

    // The issuing lane waits until shared memory is read.
    private static void Finish(int source, long map, int column, int row, int barrier)
    {
        CheckAligned(source);
        BlockMemory memory = BlockMemory.Own;
        AddressSpace global = EmulatedLane.Current.Group.Launch.Memory;
        BoxMap box = global.Maps[(int)map];
        bool isRead = false;
        EmulatedLane.StartCopy(() =>
        {
            for (int i = 0; i < box.BoxRows; i++)
                TakeLine(memory, source + i * LineBytes, global, box.Matrix, row + i, (long)column * box.ElementBytes);
            isRead = true;
        });
        EmulatedLane.WaitUntil(() => isRead, "a box to be read");
        memory.Arrive(barrier);
    }

    private static void TakeLine(BlockMemory memory, int source, AddressSpace global, MemoryRegion matrix, long row, long column)
    {
        Span<byte> line = stackalloc byte[LineBytes];
        for (int i = 0; i < LineBytes; i += ChunkBytes)
            MemoryMarshal.Write(line[i..], memory.Load<Int128>(BlockMemory.Swizzled(source + i)));
        long end = Math.Min(column + LineBytes, matrix.RowBytes);
        if (row < matrix.Rows && column < end)
            line[..(int)(end - column)].CopyTo(global.Write(matrix.Address + row * matrix.Pitch + column, (int)(end - column)));
    }

    private static void CheckAligned(int address)
    {
        if (address % BoxAlignment != 0)
            throw EmulatorFaultException.Of(FaultKind.MisalignedAccess, $"a box at shared address {address}, which is no multiple of {BoxAlignment}");
    }

    private static void Start(int target, long map, int column, int row, int barrier)
    {
        CheckAligned(target);
        BlockMemory memory = BlockMemory.Own;
        AddressSpace global = EmulatedLane.Current.Group.Launch.Memory;
        BoxMap box = global.Maps[(int)map];
        EmulatedLane.StartCopy(() =>
        {
            for (int i = 0; i < box.BoxRows; i++)
                LandLine(memory, target + i * LineBytes, global, box.Matrix, row + i, (long)column * box.ElementBytes);
            memory.Complete(barrier, box.BoxRows * LineBytes);
        });
    }

    private static void LandLine(BlockMemory memory, int target, AddressSpace global, MemoryRegion matrix, long row, long column)
    {
        Span<byte> line = stackalloc byte[LineBytes];
        line.Clear();
        long begin = Math.Max(column, 0), end = Math.Min(column + LineBytes, matrix.RowBytes);
        if (row >= 0 && row < matrix.Rows && begin < end)
            global.Read(matrix.Address + row * matrix.Pitch + begin, (int)(end - begin)).CopyTo(line[(int)(begin - column)..]);
        for (int i = 0; i < LineBytes; i += ChunkBytes)
            memory.Store(BlockMemory.Swizzled(target + i), MemoryMarshal.Read<Int128>(line[i..]));
    }
}
