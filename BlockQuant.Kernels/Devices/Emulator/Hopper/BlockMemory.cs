using BlockQuant.Emulator;

namespace BlockQuant.Kernels.Hopper.Intrinsics;

/// <summary>The dynamic shared memory of an emulated block by 32-bit address, as kernels compute it.</summary>
internal readonly struct BlockMemory
{
    /// <summary>The first address: a multiple of 1024 as on a GPU, and not 0, so that an offset taken for an address is a fault.</summary>
    public const int Base = 1024;

    private readonly SharedMemoryBuffer bytes;

    private BlockMemory(SharedMemoryBuffer bytes) => this.bytes = bytes;

    /// <summary>That of the running lane's block.</summary>
    public static BlockMemory Own => new(EmulatedLane.Current.Group.Shared.Dynamic);

    /// <summary>How many bytes there are.</summary>
    public int Length => checked((int)bytes.LengthInBytes);

    /// <summary>That of a block of the running lane's cluster.</summary>
    public static BlockMemory OfRank(int rank) => new(EmulatedLane.Current.Group.DynamicSharedOf(rank));

    /// <summary>
    /// Where the 128-byte swizzle puts a byte: the 16-byte chunks of a 128-byte line are permuted by the line's number modulo 8.
    /// </summary>
    public static int Swizzled(int address) => address ^ (address >> 3 & 0x70);

    public T Load<T>(int address)
        where T : unmanaged
        => bytes.Load<T>(address - Base);

    public void Store<T>(int address, T value)
        where T : unmanaged
        => bytes.Store(address - Base, value);

    public TransactionBarrier LoadBarrier(int address) => TransactionBarrier.FromBits(Load<ulong>(address));

    public void StoreBarrier(int address, TransactionBarrier barrier) => Store(address, barrier.Bits);

    /// <summary>One arrival at a barrier, which may first announce bytes.</summary>
    public void Arrive(int barrier, int announcedBytes = 0) => StoreBarrier(barrier, LoadBarrier(barrier).Arrive(announcedBytes));

    /// <summary>Takes bytes that have landed off what a barrier waits for.</summary>
    public void Complete(int barrier, int landedBytes) => StoreBarrier(barrier, LoadBarrier(barrier).Complete(landedBytes));
}
