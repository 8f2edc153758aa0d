using System.Runtime.CompilerServices;

namespace BlockQuant.Host;

/// <summary>The element types that the engine reads and writes.</summary>
internal enum HostElementKind
{
    Float32,
    Float16,
    BFloat16,
    Float8,
}

/// <summary>Codes or elements that widen to float32.</summary>
/// <remarks>A class, not a type parameter of the products, so that each of those is compiled once for all types: one call widens a whole run.</remarks>
internal abstract unsafe class HostDecoder(int size)
{
    /// <summary>The length of every piece that <see cref="Multiply"/> takes must be a multiple of this.</summary>
    public const int Granule = 64;

    /// <summary>Bytes of one element.</summary>
    public int Size { get; } = size;

    /// <summary>Widens a run.</summary>
    public abstract void Decode(byte* source, int length, float* destination);

    /// <inheritdoc cref="RowProduct{T, TSource, TLanes}.Multiply"/>
    public abstract float Multiply(float* left, float* leftScales, byte* right, float* rightScales, DepthPiece[] pieces);

    /// <summary>INT8 codes.</summary>
    public static HostDecoder Int8(VectorWidth width) => width switch
    {
        VectorWidth.Bits512 => HostDecoder<sbyte, Int8Source, Lanes512>.Shared,
        VectorWidth.Bits256 => HostDecoder<sbyte, Int8Source, Lanes256>.Shared,
        _ => HostDecoder<sbyte, Int8Source, Lanes128>.Shared,
    };
}

/// <summary>Elements that float32 also round to.</summary>
internal abstract unsafe class HostElement(int size) : HostDecoder(size)
{
    /// <summary>Rounds a run.</summary>
    public abstract void Encode(float* source, long length, byte* destination);

    public static HostElement Of(HostElementKind kind, VectorWidth width) => width switch
    {
        VectorWidth.Bits512 => Of<Lanes512>(kind),
        VectorWidth.Bits256 => Of<Lanes256>(kind),
        _ => Of<Lanes128>(kind),
    };

    private static HostElement Of<TLanes>(HostElementKind kind)
        where TLanes : unmanaged, ILanes<TLanes>
        => kind switch
        {
            HostElementKind.Float32 => HostElement<float, SingleFormat, TLanes>.Shared,
            HostElementKind.Float16 => HostElement<Half, HalfFormat, TLanes>.Shared,
            HostElementKind.BFloat16 => HostElement<BFloat16, BFloat16Format, TLanes>.Shared,
            _ => HostElement<Float8E4M3, Float8LaneFormat, TLanes>.Shared,
        };
}

/// <inheritdoc/>
internal sealed unsafe class HostDecoder<T, TSource, TLanes> : HostDecoder
    where T : unmanaged
    where TSource : struct, ILaneSource<T>
    where TLanes : unmanaged, ILanes<TLanes>
{
    public static readonly HostDecoder<T, TSource, TLanes> Shared = new();

    private HostDecoder()
        : base(sizeof(T))
    {
    }

    public override void Decode(byte* source, int length, float* destination) => RunConversion<T, TLanes>.Widen<TSource>((T*)source, length, destination);

    public override float Multiply(float* left, float* leftScales, byte* right, float* rightScales, DepthPiece[] pieces)
        => RowProduct<T, TSource, TLanes>.Multiply(left, leftScales, (T*)right, rightScales, pieces);
}

/// <inheritdoc/>
internal sealed unsafe class HostElement<T, TFormat, TLanes> : HostElement
    where T : unmanaged
    where TFormat : struct, ILaneSource<T>, ILaneTarget<T>
    where TLanes : unmanaged, ILanes<TLanes>
{
    public static readonly HostElement<T, TFormat, TLanes> Shared = new();

    private HostElement()
        : base(sizeof(T))
    {
    }

    private static bool HasTable => typeof(T) == typeof(Float8E4M3) && typeof(TLanes) == typeof(Lanes512) && Float8Table.IsSupported;

    public override void Decode(byte* source, int length, float* destination)
    {
        if (HasTable)
        {
            int done = (int)Float8Table.Decode<float, SingleFormat>(source, length, 1f, destination);
            if (done == length)
            {
                return;
            }

            source += done;
            destination += done;
            length -= done;
        }

        RunConversion<T, TLanes>.Widen<TFormat>((T*)source, length, destination);
    }

    public override float Multiply(float* left, float* leftScales, byte* right, float* rightScales, DepthPiece[] pieces)
        => HasTable
            ? Float8Table.Multiply(left, leftScales, (Float8E4M3*)right, rightScales, pieces)
            : RowProduct<T, TFormat, TLanes>.Multiply(left, leftScales, (T*)right, rightScales, pieces);

    public override void Encode(float* source, long length, byte* destination) => RunConversion<T, TLanes>.Narrow<TFormat>(source, length, (T*)destination);
}

/// <summary>INT8 codes as float32.</summary>
internal readonly struct Int8Source : ILaneSource<sbyte>
{
    public static float Load(sbyte value) => value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLanes Load<TLanes>(ref sbyte source)
        where TLanes : struct, ILanes<TLanes> => TLanes.ToSingle(TLanes.LoadSignedBytes(ref Unsafe.As<sbyte, byte>(ref source)));
}

/// <summary>The loops that convert a run.</summary>
internal static unsafe class RunConversion<T, TLanes>
    where T : unmanaged
    where TLanes : unmanaged, ILanes<TLanes>
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static void Widen<TSource>(T* source, int length, float* destination)
        where TSource : struct, ILaneSource<T>
    {
        int index = 0;
        for (; index <= length - TLanes.Count; index += TLanes.Count)
        {
            TLanes.Store(TSource.Load<TLanes>(ref source[index]), ref ((int*)destination)[index]);
        }

        for (; index < length; index++)
        {
            destination[index] = TSource.Load(source[index]);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static void Narrow<TTarget>(float* source, long length, T* destination)
        where TTarget : struct, ILaneTarget<T>
    {
        long index = 0;
        for (; index <= length - TLanes.Count; index += TLanes.Count)
        {
            TTarget.Store(ref destination[index], TLanes.Load(ref ((int*)source)[index]));
        }

        for (; index < length; index++)
        {
            destination[index] = TTarget.Store(source[index]);
        }
    }
}
