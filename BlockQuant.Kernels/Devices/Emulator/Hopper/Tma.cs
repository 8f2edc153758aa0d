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

    public static partial long MapC() => 3;

    public static partial long MapOfScales() => 2;

    public static partial void Prefetch(long map)
    {
    }

    public static partial void Load(int target, long map, int column, int row, int barrier) =>
        EmulatedLane.Elect(
            "Tma.Load", (target, map, column, row, barrier),
            static load => Start(BlockMemory.Own, load.target, load.map, load.column, load.row, load.barrier));

    public static partial void Load(int target, long map, int column, int row, int barrier, long policy) =>
        Load(target, map, column, row, barrier);

    public static partial void LoadToBoth(int target, long map, int column, int row, int barrier) =>
        EmulatedLane.Elect(nameof(LoadToBoth), (target, map, column, row, barrier), static load =>
        {
            for (int rank = 0; rank < 2; rank++)
                Start(BlockMemory.OfRank(rank), load.target, load.map, load.column, load.row, load.barrier);
        });

    public static partial void Load16(int target, long source, int barrier) => EmulatedLane.Elect(
        nameof(Load16), (target, source, barrier), static load =>
        {
            BlockMemory memory = BlockMemory.Own;
            AddressSpace global = EmulatedLane.Current.Group.Launch.Memory;
            // Checked now, while it is known which lane asks.
            global.Load<Int128>(load.source);
            EmulatedLane.StartCopy(() =>
            {
                memory.Store(load.target, global.Load<Int128>(load.source));
                memory.Complete(load.barrier, ChunkBytes);
            });
        });

    public static partial void StoreStaged(int source, long map, int column, int row) => EmulatedLane.Elect(
        nameof(StoreStaged), (source, map, column, row), static store => Take(store.source, store.map, store.column, store.row));

    public static partial void StoreStagedPair(int source, int nextSource, long map, int column, int nextColumn, int row) => EmulatedLane.Elect(
        nameof(StoreStagedPair), (source, nextSource, map, column, nextColumn, row), static store =>
        {
            Take(store.source, store.map, store.column, store.row);
            Take(store.nextSource, store.map, store.nextColumn, store.row);
        });

    public static partial void AwaitReads()
    {
        Unread boxes = Unread.OfWarp;
        Warpgroup.SyncWarp();
        EmulatedLane.WaitUntil(() => boxes.Count == 0, "boxes to be read");
    }

    private static void Take(int source, long map, int column, int row)
    {
        CheckAligned(source);
        BlockMemory memory = BlockMemory.Own;
        AddressSpace global = EmulatedLane.Current.Group.Launch.Memory;
        BoxMap box = global.Maps[(int)map];
        Unread boxes = Unread.OfWarp;
        boxes.Count++;
        EmulatedLane.StartCopy(() =>
        {
            for (int i = 0; i < box.BoxRows; i++)
                TakeLine(memory, source + i * LineBytes, global, box.Matrix, row + i, (long)column * box.ElementBytes);
            boxes.Count--;
        });
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

    private static void CheckAligned(int address, int alignment = BoxAlignment)
    {
        if (address % alignment != 0)
            throw EmulatorFaultException.Of(FaultKind.MisalignedAccess, $"a box at shared address {address}, which is no multiple of {alignment}");
    }

    private static void Start(BlockMemory memory, int target, long map, int column, int row, int barrier)
    {
        AddressSpace global = EmulatedLane.Current.Group.Launch.Memory;
        BoxMap box = global.Maps[(int)map];
        CheckAligned(target, box.RowBytes == LineBytes ? BoxAlignment : LineBytes);
        EmulatedLane.StartCopy(() =>
        {
            for (int i = 0; i < box.BoxRows; i++)
                LandRow(memory, target + i * box.RowBytes, global, box, row + i, (long)column * box.ElementBytes);
            memory.Complete(barrier, box.BoxRows * box.RowBytes);
        });
    }

    private static void LandRow(BlockMemory memory, int target, AddressSpace global, BoxMap box, long row, long column)
    {
        MemoryRegion matrix = box.Matrix;
        Span<byte> bytes = stackalloc byte[box.RowBytes];
        bytes.Clear();
        long begin = Math.Max(column, 0), end = Math.Min(column + box.RowBytes, matrix.RowBytes);
        if (row >= 0 && row < matrix.Rows && begin < end)
            global.Read(matrix.Address + row * matrix.Pitch + begin, (int)(end - begin)).CopyTo(bytes[(int)(begin - column)..]);
        for (int i = 0; i < box.RowBytes; i += ChunkBytes)
        {
            int address = target + i;
            memory.Store(box.RowBytes == LineBytes ? BlockMemory.Swizzled(address) : address, MemoryMarshal.Read<Int128>(bytes[i..]));
        }
    }

    // The boxes that a warp has begun to write and that are still to be read from shared memory.
    private sealed class Unread
    {
        public int Count { get; set; }

        public static Unread OfWarp
        {
            get
            {
                var warps = EmulatedLane.GroupState(static () => new Dictionary<int, Unread>());
                int warp = EmulatedLane.Current.Index / EmulatedLane.WarpSize;
                if (!warps.TryGetValue(warp, out Unread? boxes))
                    warps.Add(warp, boxes = new Unread());
                return boxes;
            }
        }
    }
}
