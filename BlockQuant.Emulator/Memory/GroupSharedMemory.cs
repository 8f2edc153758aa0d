using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using ILGPU;

namespace BlockQuant.Emulator;

/// <summary>A group's shared memory, and for every byte of it who wrote it last and who read it last.</summary>
/// <remarks>
/// Who is a stamp: epoch * 2048 + flag * 1024 + lane. The epoch counts the barriers passed; two lanes' accesses
/// are ordered if a barrier lies between them, that is if their epochs differ. A read stamp's flag says that several
/// lanes have read the byte in that epoch; a write stamp's, that it was an atomic update. Epochs go on from group to
/// group, so that what an earlier group left behind is known by its stamp to be uninitialised and nothing need be cleared.
/// Only one lane of a group runs at a time, so no locks are needed.
/// </remarks>
internal sealed unsafe class GroupSharedMemory
{
    private const int LaneBits = 10;
    private const int Flag = 1 << LaneBits;
    private const int Epoch = 1 << (LaneBits + 1);
    private const int LaneMask = Flag - 1;
    private const int LastEpoch = int.MaxValue - 2 * Epoch;
    private const int AllocationAlignment = 16;

    // What CUDA grants without a launch asking for it.
    private const int StaticCapacity = 48 * 1024;

    // What a tensor core's operands must be aligned to.
    private const int OriginAlignment = 1024;

    private readonly int* writers;
    private readonly int* readers;
    private readonly List<SharedMemoryBuffer> allocations = [];
    private int allocationCount;
    private int used;
    private int firstStamp;
    private int epochStamp;
    private int ownStamp;

    public GroupSharedMemory(int capacity)
    {
        Capacity = capacity;
        Origin = (byte*)NativeMemory.AlignedAlloc((nuint)capacity, OriginAlignment);
        writers = (int*)NativeMemory.AllocZeroed((nuint)capacity, sizeof(int));
        readers = (int*)NativeMemory.AllocZeroed((nuint)capacity, sizeof(int));
        Dynamic = new SharedMemoryBuffer(this, 0, 0);
    }

    ~GroupSharedMemory()
    {
        NativeMemory.AlignedFree(Origin);
        NativeMemory.Free(writers);
        NativeMemory.Free(readers);
    }

    /// <summary>The bytes that a group may take.</summary>
    public int Capacity { get; }

    /// <summary>The first byte.</summary>
    public byte* Origin { get; }

    /// <summary>The bytes that the launch asked for.</summary>
    public SharedMemoryBuffer Dynamic { get; private set; }

    /// <summary>Starts a new group: all its memory is uninitialised.</summary>
    public void Begin(int dynamicBytes)
    {
        if (Dynamic.LengthInBytes != dynamicBytes)
        {
            Dynamic = new SharedMemoryBuffer(this, 0, dynamicBytes);
            allocations.Clear();
        }
        allocationCount = 0;
        used = dynamicBytes;
        Advance();
        firstStamp = epochStamp;
        Advance();
    }

    /// <summary>Says which lane makes the accesses that follow.</summary>
    public void Enter(int lane) => ownStamp = epochStamp | lane;

    /// <summary>Orders all accesses so far before all that follow.</summary>
    public void Advance()
    {
        if (epochStamp >= LastEpoch)
            RestartEpochs();
        epochStamp += Epoch;
        ownStamp = epochStamp | (ownStamp & LaneMask);
    }

    /// <summary>The lane's next allocation: the first lane to come makes it, the others get the same.</summary>
    public ArrayView<T> Allocate<T>(EmulatedLane lane, int extent)
        where T : unmanaged
    {
        int number = lane.AllocationCount++;
        long bytes = (long)extent * sizeof(T);
        if (number == allocationCount)
            Append(number, bytes);
        SharedMemoryBuffer allocation = allocations[number];
        if (allocation.LengthInBytes != bytes)
        {
            throw EmulatorFaultException.Of(
                FaultKind.SharedAllocationMismatch,
                $"shared allocation {number} has {bytes} bytes here and {allocation.LengthInBytes} in another lane");
        }
        return new ArrayView<T>(allocation, 0, extent);
    }

    /// <summary>Records an access; false if it clashes with an earlier one or reads what was never written.</summary>
    public bool Note(AccessKind kind, long at, long size)
    {
        if (kind == AccessKind.Read ? NoteReadOfWords(at, size) : kind == AccessKind.Write && NoteWriteOfWords(at, size))
            return true;
        for (long end = at + size; at < end; at++)
        {
            if (Clash(kind, at) != FaultKind.None)
                return false;
            if (kind == AccessKind.Read)
                readers[at] = readers[at] < epochStamp || readers[at] == ownStamp ? ownStamp : readers[at] | Flag;
            else
                writers[at] = kind == AccessKind.Atomic ? ownStamp | Flag : ownStamp;
        }
        return true;
    }

    /// <summary>Why <see cref="Note"/> refused an access.</summary>
    public (FaultKind Kind, string Reason) Explain(AccessKind kind, long at, long size)
    {
        FaultKind fault = Clash(kind, at);
        for (long end = at + size; fault == FaultKind.None && at < end - 1; fault = Clash(kind, at))
            at++;
        if (fault == FaultKind.UninitialisedSharedRead)
            return (fault, "no lane of this group has written there");
        string how = kind switch { AccessKind.Read => "reads", AccessKind.Write => "writes", _ => "atomically updates" };
        if (IsOthers(writers[at], kind))
            return (fault, $"it {how} what lane {writers[at] & LaneMask} has written since the last barrier");
        string readerNames = (readers[at] & Flag) != 0 ? $"several lanes, lane {readers[at] & LaneMask} first, have" : $"lane {readers[at] & LaneMask} has";
        return (fault, $"it {how} what {readerNames} read since the last barrier");
    }

    /// <summary>The first byte that this group has not written, or -1.</summary>
    public long FirstUninitialised(long at, int length)
    {
        int first = new ReadOnlySpan<int>(writers + at, length).IndexOfAnyExceptInRange(firstStamp, int.MaxValue);
        return first < 0 ? -1 : at + first;
    }

    /// <summary>Marks bytes as written in an earlier epoch, so that they clash with nothing.</summary>
    public void Initialise(long at, int length) => new Span<int>(writers + at, length).Fill(firstStamp);

    private FaultKind Clash(AccessKind kind, long at)
    {
        if (kind != AccessKind.Write && writers[at] < firstStamp)
            return FaultKind.UninitialisedSharedRead;
        bool isRace = IsOthers(writers[at], kind) || (kind != AccessKind.Read && readers[at] >= epochStamp && readers[at] != ownStamp);
        return isRace ? FaultKind.SharedMemoryRace : FaultKind.None;
    }

    // Whether another lane made this write in the running epoch; atomic updates do not clash with each other.
    private bool IsOthers(int writer, AccessKind kind) =>
        writer >= epochStamp && (writer & ~Flag) != ownStamp && !(kind == AccessKind.Atomic && (writer & Flag) != 0);

    // The common case four bytes at a time: all written in earlier epochs or by this lane. False leaves the verdict to the caller.
    private bool NoteReadOfWords(long at, long size)
    {
        if (size % Vector128<int>.Count != 0)
            return false;
        Vector128<int> own = Vector128.Create(ownStamp);
        Vector128<int> epoch = Vector128.Create(epochStamp);
        Vector128<int> first = Vector128.Create(firstStamp);
        for (long end = at + size; at < end; at += Vector128<int>.Count)
        {
            Vector128<int> writer = Vector128.Load(writers + at);
            Vector128<int> isOrdered = Vector128.LessThan(writer, epoch) & Vector128.GreaterThanOrEqual(writer, first);
            if ((isOrdered | Vector128.Equals(writer, own)) != Vector128<int>.AllBitsSet)
                return false;
            Vector128<int> reader = Vector128.Load(readers + at);
            Vector128<int> isOwn = Vector128.LessThan(reader, epoch) | Vector128.Equals(reader, own);
            Vector128.Store(Vector128.ConditionalSelect(isOwn, own, reader | Vector128.Create(Flag)), readers + at);
        }
        return true;
    }

    private bool NoteWriteOfWords(long at, long size)
    {
        if (size % Vector128<int>.Count != 0)
            return false;
        Vector128<int> own = Vector128.Create(ownStamp);
        Vector128<int> epoch = Vector128.Create(epochStamp);
        for (long end = at + size; at < end; at += Vector128<int>.Count)
        {
            Vector128<int> writer = Vector128.Load(writers + at);
            Vector128<int> reader = Vector128.Load(readers + at);
            Vector128<int> isFree = Vector128.LessThan(writer, epoch) | Vector128.Equals(writer, own);
            isFree &= Vector128.LessThan(reader, epoch) | Vector128.Equals(reader, own);
            if (isFree != Vector128<int>.AllBitsSet)
                return false;
            Vector128.Store(own, writers + at);
        }
        return true;
    }

    private void Append(int number, long bytes)
    {
        int start = (used + AllocationAlignment - 1) & -AllocationAlignment;
        long available = Math.Min(Capacity, Dynamic.LengthInBytes + StaticCapacity) - start;
        if (bytes < 0 || bytes > available)
        {
            throw EmulatorFaultException.Of(
                FaultKind.SharedMemoryExhausted,
                $"shared allocation {number} of {bytes} bytes, where the group has {available} left");
        }
        // Groups of one launch ask for the same again, so its buffer is used again.
        if (number < allocations.Count && allocations[number].LengthInBytes != bytes)
            allocations.RemoveRange(number, allocations.Count - number);
        if (number == allocations.Count)
            allocations.Add(new SharedMemoryBuffer(this, start, (int)bytes));
        used = start + (int)bytes;
        allocationCount++;
    }

    // Keeps what is known to be initialised, as written in the first epoch.
    private void RestartEpochs()
    {
        for (int i = 0; i < Capacity; i++)
        {
            writers[i] = writers[i] >= firstStamp ? Epoch : 0;
            readers[i] = 0;
        }
        firstStamp = Epoch;
        epochStamp = Epoch;
    }
}
