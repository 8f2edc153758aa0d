namespace BlockQuant.Emulator;

/// <summary>A row-major matrix in global memory that a kernel is given by address.</summary>
/// <param name="Name">What a fault calls it.</param>
/// <param name="Address">Its first byte.</param>
/// <param name="Rows">Its rows.</param>
/// <param name="RowBytes">Bytes of a row that exist.</param>
/// <param name="Pitch">Bytes from one row to the next.</param>
/// <param name="IsWritable">Whether the kernel may write it.</param>
internal sealed record MemoryRegion(string Name, long Address, long Rows, long RowBytes, long Pitch, bool IsWritable = false)
{
    /// <summary>Whether bytes lie in one row of the matrix.</summary>
    public bool Contains(long address, int size)
    {
        long offset = address - Address;
        long row = offset / Pitch;
        return offset >= 0 && row < Rows && offset - row * Pitch <= RowBytes - size;
    }

    public override string ToString() => $"{Name} ({Rows} rows of {RowBytes} bytes, {Pitch} apart, from 0x{Address:x})";
}

/// <summary>A matrix as the copy engine knows it, and the boxes it copies.</summary>
/// <param name="Matrix">The matrix; what lies outside it reads as 0.</param>
/// <param name="BoxRows">Rows of a box.</param>
/// <param name="ElementBytes">Bytes of an element, which columns are counted in.</param>
/// <param name="RowBytes">Bytes of a box's row; rows of 128 bytes lie swizzled in shared memory, others as they are.</param>
internal sealed record BoxMap(MemoryRegion Matrix, int BoxRows, int ElementBytes = 1, int RowBytes = 128);

/// <summary>What the lanes of a launch may reach by raw address. An access to anything else is a fault.</summary>
/// <param name="regions">The matrices that may be read, and those that may be written.</param>
/// <param name="maps">The tensor maps among the launch's parameters.</param>
internal sealed unsafe class AddressSpace(IReadOnlyList<MemoryRegion> regions, IReadOnlyList<BoxMap> maps)
{
    /// <summary>For kernels that have views alone.</summary>
    public static AddressSpace None { get; } = new([], []);

    /// <summary>The tensor maps.</summary>
    public IReadOnlyList<BoxMap> Maps => maps;

    /// <summary>The bytes of the launch's parameter that lanes read at offsets of their own.</summary>
    public ReadOnlyMemory<byte> Parameter { get; init; }

    /// <summary>
    /// Whether the launch may begin before the kernels ahead of it in the stream have ended. A lane that has not waited for them
    /// reaches nothing but by <see cref="LoadEarly"/>.
    /// </summary>
    public bool IsDependent { get; init; }

    /// <summary>Reads an element.</summary>
    public T Load<T>(long address)
        where T : unmanaged
        => *(T*)Aligned(Check(address, sizeof(T), isWrite: false), sizeof(T));

    /// <summary>Reads an element that kernels ahead of the launch may yet write: it may be used for guesses alone.</summary>
    public T LoadEarly<T>(long address)
        where T : unmanaged
        => *(T*)Aligned(Find(address, sizeof(T), isWrite: false), sizeof(T));

    /// <summary>Writes an element.</summary>
    public void Store<T>(long address, T value)
        where T : unmanaged
        => *(T*)Aligned(Check(address, sizeof(T), isWrite: true), sizeof(T)) = value;

    /// <summary>Bytes of one row for reading, not aligned.</summary>
    public ReadOnlySpan<byte> Read(long address, int size) => new(Check(address, size, isWrite: false), size);

    /// <summary>Bytes of one row for writing, not aligned.</summary>
    public Span<byte> Write(long address, int size) => new(Check(address, size, isWrite: true), size);

    private void* Check(long address, int size, bool isWrite) => !IsDependent || EmulatedLane.CurrentOrNone is not { IsEarly: true }
        ? Find(address, size, isWrite)
        : throw EmulatorFaultException.Of(FaultKind.EarlyAccess, $"{size} bytes at address 0x{address:x}, before it has waited for the kernels ahead");

    private void* Find(long address, int size, bool isWrite)
    {
        foreach (MemoryRegion region in regions)
        {
            if (region.Contains(address, size) && (region.IsWritable || !isWrite))
                return (void*)address;
        }
        throw EmulatorFaultException.Of(
            isWrite ? FaultKind.OutOfBoundsWrite : FaultKind.OutOfBoundsRead,
            $"{size} bytes at address 0x{address:x}; the launch has {string.Join(", ", regions)}");
    }

    private static void* Aligned(void* address, int size) => (long)address % size == 0
        ? address
        : throw EmulatorFaultException.Of(FaultKind.MisalignedAccess, $"{size} bytes at address 0x{(long)address:x}, which is no multiple of {size}");
}
