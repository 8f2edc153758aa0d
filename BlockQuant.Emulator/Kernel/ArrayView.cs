using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using System.Runtime.CompilerServices;
using BlockQuant.Emulator;
using ILGPU.Runtime;

namespace ILGPU;

/// <summary>A run of elements of a buffer. Every access is checked.</summary>
/// <typeparam name="T">The element type.</typeparam>
/// <remarks>Elements are got and set by value, so that the emulator can tell a read from a write.</remarks>
public readonly unsafe struct ArrayView<T>
    where T : unmanaged
{
    private readonly long byteOffset;

    /// <summary>Makes a view of a part of a buffer.</summary>
    /// <param name="source">The buffer.</param>
    /// <param name="index">The first element, counted in elements of <typeparamref name="T"/> from the buffer's start.</param>
    /// <param name="length">The number of elements.</param>
    /// <exception cref="ArgumentOutOfRangeException">The view would pass the buffer's bounds.</exception>
    public ArrayView(MemoryBuffer source, long index, long length)
    {
        ArgumentNullException.ThrowIfNull(source);
        long capacity = source.LengthInBytes / sizeof(T);
        if ((ulong)index > (ulong)capacity || (ulong)length > (ulong)(capacity - index))
        {
            throw new ArgumentOutOfRangeException(
                nameof(length),
                $"A view of elements {index} to {index} + {length} passes the buffer's {capacity} elements of {typeof(T).Name}.");
        }
        Buffer = source;
        byteOffset = index * sizeof(T);
        Length = length;
    }

    private ArrayView(MemoryBuffer? buffer, long byteOffset, long length, bool _)
    {
        Buffer = buffer;
        this.byteOffset = byteOffset;
        Length = length;
    }

    /// <summary>A view of nothing.</summary>
    public static ArrayView<T> Empty => default;

    /// <summary>The size of an element in bytes.</summary>
    public static int ElementSize => sizeof(T);

    /// <summary>The number of elements.</summary>
    public long Length { get; }

    /// <summary>The number of elements.</summary>
    /// <exception cref="OverflowException">There are more than an <see cref="int"/> can count.</exception>
    public int IntLength => checked((int)Length);

    /// <summary>The number of bytes.</summary>
    public long LengthInBytes => Length * sizeof(T);

    /// <summary>Whether there is at least one element and a live buffer.</summary>
    public bool IsValid => Buffer is { IsDisposed: false } && Length > 0;

    /// <summary>The buffer that the elements lie in, null for an empty view.</summary>
    internal MemoryBuffer? Buffer { get; }

    /// <summary>The first element's distance from the buffer's start.</summary>
    internal long ByteOffset => byteOffset;

    // GPUs demand that an access be aligned to its size, up to 16 bytes.
    private static int Alignment => Math.Min(16, 1 << BitOperations.TrailingZeroCount(sizeof(T)));

    /// <summary>An element.</summary>
    /// <param name="index">Its index.</param>
    public T this[int index]
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => this[(long)index];

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        set => this[(long)index] = value;
    }

    /// <summary>An element.</summary>
    /// <param name="index">Its index.</param>
    public T this[long index]
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => *(T*)(IsDirect(index, out byte* origin) ? origin + byteOffset + index * sizeof(T) : Locate(index, AccessKind.Read));

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        set => *(T*)(IsDirect(index, out byte* origin) ? origin + byteOffset + index * sizeof(T) : Locate(index, AccessKind.Write)) = value;
    }

    /// <summary>The elements from <paramref name="index"/> on.</summary>
    /// <param name="index">The first element.</param>
    /// <exception cref="EmulatorFaultException">The index lies outside the view.</exception>
    public ArrayView<T> SubView(long index) => SubView(index, Length - index);

    /// <summary>A part of the view.</summary>
    /// <param name="index">The first element.</param>
    /// <param name="length">The number of elements.</param>
    /// <exception cref="EmulatorFaultException">The part passes the view's bounds.</exception>
    public ArrayView<T> SubView(long index, long length)
    {
        if ((ulong)index > (ulong)Length || (ulong)length > (ulong)(Length - index))
            ThrowSubView(index, length);
        return new ArrayView<T>(Buffer, byteOffset + index * sizeof(T), length, true);
    }

    /// <summary>The same bytes as elements of another type, as many as fit.</summary>
    /// <typeparam name="TOther">The other type.</typeparam>
    public ArrayView<TOther> Cast<TOther>()
        where TOther : unmanaged
        => new(Buffer, byteOffset, LengthInBytes / sizeof(TOther), true);

    /// <summary>The address of the first element, on the device that the buffer lies on.</summary>
    public IntPtr LoadEffectiveAddressAsPtr() =>
        Buffer is null ? IntPtr.Zero : Buffer.NativePtr + (nint)byteOffset;

    /// <summary>An element for an atomic update, checked as both a read and a write.</summary>
    internal ref T AtomicElement(long index) => ref Unsafe.AsRef<T>(Locate(index, AccessKind.Atomic));

    /// <summary>A run of elements for reading, checked once.</summary>
    internal ReadOnlySpan<T> ReadSpan(long index, int length) => new(LocateRun(index, length, AccessKind.Read), length);

    /// <summary>A run of elements for writing, checked once.</summary>
    internal Span<T> WriteSpan(long index, int length) => new(LocateRun(index, length, AccessKind.Write), length);

    // The whole cost of an access to global memory: bounds, an origin that only live host memory has, and alignment.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool IsDirect(long index, out byte* origin)
    {
        if ((ulong)index < (ulong)Length)
        {
            origin = Buffer!.DirectOrigin;
            return origin != null && (byteOffset & (Alignment - 1)) == 0;
        }
        origin = null;
        return false;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private byte* Locate(long index, AccessKind access)
    {
        if ((ulong)index >= (ulong)Length)
            ThrowOutOfBounds(index, access);
        if ((byteOffset & (Alignment - 1)) != 0)
            ThrowMisaligned(index);
        return Buffer!.Access(access, byteOffset + index * sizeof(T), sizeof(T), index, Length);
    }

    private byte* LocateRun(long index, int length, AccessKind access)
    {
        if (length == 0)
            return null;
        if ((ulong)index >= (ulong)Length)
            ThrowOutOfBounds(index, access);
        if (length < 0 || length > Length - index)
            ThrowOutOfBounds(index + length - 1, access);
        if ((byteOffset & (Alignment - 1)) != 0)
            ThrowMisaligned(index);
        return Buffer!.Access(access, byteOffset + index * sizeof(T), (long)length * sizeof(T), index, Length);
    }

    [DoesNotReturn]
    private void ThrowOutOfBounds(long index, AccessKind access) =>
        throw EmulatorFaultException.At(
            access == AccessKind.Read ? FaultKind.OutOfBoundsRead : FaultKind.OutOfBoundsWrite,
            index,
            Length,
            $"index {index} of a view of {Length} elements of {typeof(T).Name}");

    [DoesNotReturn]
    private void ThrowMisaligned(long index) =>
        throw EmulatorFaultException.At(
            FaultKind.MisalignedAccess,
            index,
            Length,
            $"index {index} of a view of {Length} elements of {typeof(T).Name} lies {byteOffset + index * sizeof(T)} bytes " +
            $"into its buffer, and must be aligned to {Alignment}");

    [DoesNotReturn]
    private void ThrowSubView(long index, long length) =>
        throw EmulatorFaultException.At(
            FaultKind.InvalidView,
            index,
            Length,
            $"a part of {length} elements from index {index} of a view of {Length} elements of {typeof(T).Name}");
}
