using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace BlockQuant.Host;

/// <summary>The inner loops of the quantizers: neighbouring runs of one row, each of elements that share a scale.</summary>
/// <remarks>
/// A run that is not a whole number of vectors ends with a vector that overlaps the one before: it computes the same codes once more. Methods
/// are not inlined: in a caller their own many small inlinees would exhaust the compiler's budget and become calls.
/// </remarks>
internal static unsafe class BlockRuns<T, TSource, TLanes>
    where T : unmanaged
    where TSource : struct, ILaneSource<T>
    where TLanes : unmanaged, ILanes<TLanes>
{
    /// <summary>Columns of the usual block.</summary>
    private const int GroupLength = 128;

    private const int MagnitudeMask = 0x7FFF_FFFF;
    private const int WordMagnitudesMask = 0x7FFF_7FFF;

    /// <summary>Bits of a lane below those of one element.</summary>
    private static int UnusedBits => 8 * (sizeof(int) - sizeof(T));

    /// <summary>
    /// The larger, lane by lane, of <paramref name="amax"/> and the run's magnitudes, as the bits of <typeparamref name="T"/> at the top
    /// of a lane: see <c>Magnitude</c> of the kernels. What is below 16 bits may be anything.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static TLanes MaxMagnitude(T* source, long length, TLanes amax) => Larger(source, length, amax, HostVectors.StreamAhead);

    /// <summary>
    /// <see cref="MaxMagnitude(T*, long, TLanes)"/> of neighbouring blocks, <paramref name="source"/> being the first column of the first, and
    /// <paramref name="ahead"/> how many bytes away are the elements that come later.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static void MaxMagnitude(T* source, in ScaleGrid grid, long firstBlock, int count, TLanes* amax, long ahead)
    {
        int whole = (int)grid.WholeBlocks(firstBlock, count, GroupLength);
        for (int block = 0; block < whole; block++)
        {
            amax[block] = LargerOf(amax[block], LargestOfGroup(source, ahead));
            source += GroupLength;
        }

        long column = grid.ColumnOf(firstBlock + whole);
        for (int block = whole; block < count; block++)
        {
            long end = grid.ColumnOf(firstBlock + block + 1);
            amax[block] = Larger(source, end - column, amax[block], ahead);
            source += end - column;
            column = end;
        }
    }

    /// <summary>The scales of blocks from what <see cref="MaxMagnitude(T*, in ScaleGrid, long, int, TLanes*, long)"/> found.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static void Scale<TFormat>(TLanes* amax, int count, float minScale, float* scales)
        where TFormat : struct, IHostFormat
    {
        for (int block = 0; block < count; block++)
        {
            scales[block] = BlockScale.Of<TFormat>(Largest(InUpperBits(amax[block])), minScale);
        }
    }

    /// <summary>The bits of float32 of the largest lane that <see cref="MaxMagnitude(T*, long, TLanes)"/> found.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Largest(TLanes amax)
    {
        int bits = TLanes.MaxLane(amax) >> UnusedBits;
        return BitConverter.SingleToInt32Bits(TSource.Load(Unsafe.As<int, T>(ref bits)));
    }

    /// <summary>Codes = source / scale, which is finite but any other; past the caches where there is a <paramref name="stage"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static void EncodeAny<TFormat>(T* source, byte* codes, long length, float scale, byte* stage)
        where TFormat : struct, IHostFormat
    {
        if (typeof(T) == typeof(BFloat16) && typeof(TLanes) == typeof(Lanes512) && BFloat16Groups<TFormat>.IsSupported && BFloat16Groups<TFormat>.Has(scale))
        {
            int groups = (int)(length / BFloat16Groups<TFormat>.Length);
            BFloat16Groups<TFormat>.Encode((ushort*)source, codes, groups, &scale, 0, stage != null, HostVectors.StreamAhead, null, null);
            long done = (long)groups * BFloat16Groups<TFormat>.Length;
            source += done;
            codes += done;
            length -= done;
        }

        var stream = new LineStream<TLanes>(stage, codes);
        TLanes divisor = TLanes.Create(BitConverter.SingleToInt32Bits(scale));
        for (long done = 0; done < length; done += LineStream.MaxPiece)
        {
            int piece = (int)Math.Min(LineStream.MaxPiece, length - done);
            byte* target = stream.IsOpen ? stream.Place : codes + done;
            T* values = source + done;
            int index = 0;
            for (; index <= piece - TLanes.Count; index += TLanes.Count)
            {
                HostVectors.PrefetchStream(values + index);
                TFormat.EncodeAny(TLanes.DivideSingle(Load(values + index), divisor), ref target[index]);
            }

            for (; index < piece; index++)
            {
                target[index] = TFormat.EncodeAny(TSource.Load(values[index]) / scale);
            }

            if (stream.IsOpen)
            {
                stream.Advance(piece);
            }
        }

        stream.Close();
    }

    /// <summary>Whether blocks of 128 columns are encoded in registers, and what fills no line can be left to the next blocks.</summary>
    public static bool LeavesLines => typeof(TLanes) == typeof(Lanes512) && DividedGroups<T, TSource, HostFloat8>.IsSupported;

    /// <summary>
    /// Codes = source / scale of neighbouring blocks, <paramref name="source"/> and <paramref name="codes"/> being the first column of the first; one
    /// code throughout for blocks that are not finite. Codes go past the caches where there is a <paramref name="stage"/>.
    /// </summary>
    /// <inheritdoc cref="BFloat16Groups{TFormat}.Encode(ushort*, byte*, int, float*, int, bool, long, byte*, byte*)"/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static void Encode<TFormat>(
        T* source, byte* codes, in ScaleGrid grid, long firstBlock, int count, float* scales, byte* stage, long ahead, byte* leftBefore, byte* left)
        where TFormat : struct, IHostFormat
    {
        if (LeavesLines)
        {
            int whole = (int)grid.WholeBlocks(firstBlock, count, DividedGroups<T, TSource, TFormat>.Length);
            if (typeof(T) == typeof(BFloat16) && BFloat16Groups<TFormat>.IsSupported)
            {
                BFloat16Groups<TFormat>.Encode((ushort*)source, codes, whole, scales, 1, stage != null, ahead, leftBefore, left);
            }
            else
            {
                DividedGroups<T, TSource, TFormat>.Encode(source, codes, whole, scales, stage != null, ahead, leftBefore, left);
            }

            source += whole * DividedGroups<T, TSource, TFormat>.Length;
            codes += whole * DividedGroups<T, TSource, TFormat>.Length;
            scales += whole;
            firstBlock += whole;
            count -= whole;
            if (count == 0)
            {
                return;
            }
        }

        var stream = new LineStream<TLanes>(stage, codes);
        long column = grid.ColumnOf(firstBlock);
        for (int block = 0; block < count; block++)
        {
            long end = grid.ColumnOf(firstBlock + block + 1);
            for (long line = 0; line < (end - column) * sizeof(T); line += LineStream.Line)
            {
                HostVectors.Prefetch((byte*)source + ahead + line);
            }

            Encode<TFormat>(source, codes, end - column, scales[block], ref stream);
            source += end - column;
            codes += end - column;
            column = end;
        }

        stream.Close();
    }

    /// <summary>Quantizes neighbouring runs of one row, each a block of its own, by their largest magnitudes.</summary>
    /// <remarks>A run's scale is computed before the run before it is encoded, so that neither waits for the other or for memory.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static void Quantize<TFormat>(
        T* source, byte* codes, in ScaleGrid grid, long firstBlock, int count, float* scales, float minScale, byte* stage)
        where TFormat : struct, IHostFormat
    {
        if (LeavesLines)
        {
            int whole = (int)grid.WholeBlocks(firstBlock, count, DividedGroups<T, TSource, TFormat>.Length);
            if (typeof(T) == typeof(BFloat16) && BFloat16Groups<TFormat>.IsSupported)
            {
                BFloat16Groups<TFormat>.Quantize((ushort*)source, codes, whole, scales, minScale, stage != null);
            }
            else
            {
                DividedGroups<T, TSource, TFormat>.Quantize(source, codes, whole, scales, minScale, stage != null);
            }

            source += whole * DividedGroups<T, TSource, TFormat>.Length;
            codes += whole * DividedGroups<T, TSource, TFormat>.Length;
            scales += whole;
            firstBlock += whole;
            count -= whole;
            if (count == 0)
            {
                return;
            }
        }

        var stream = new LineStream<TLanes>(stage, codes);
        long column = grid.ColumnOf(firstBlock);
        long length = grid.ColumnOf(firstBlock + 1) - column;
        scales[0] = BlockScale.Of<TFormat>(Largest(Larger(source, length, default, HostVectors.StreamAhead)), minScale);
        for (int block = 0; block < count; block++)
        {
            column += length;
            long nextLength = 0;
            if (block + 1 < count)
            {
                nextLength = grid.ColumnOf(firstBlock + block + 2) - column;
                scales[block + 1] = BlockScale.Of<TFormat>(Largest(Larger(source + length, nextLength, default, HostVectors.StreamAhead)), minScale);
            }

            Encode<TFormat>(source, codes, length, scales[block], ref stream);
            source += length;
            codes += length;
            length = nextLength;
        }

        stream.Close();
    }

    /// <summary>Output = code × scale of its block, for a run of a row from <paramref name="column"/> on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static void Decode<TFormat, TTarget>(byte* codes, T* output, in ScaleGrid grid, long column, long length, float* rowScales)
        where TFormat : struct, IHostFormat
        where TTarget : struct, ILaneTarget<T>
    {
        long end = column + length;
        for (long block = (column + grid.ColumnOffset) / grid.BlockColumns; column < end; block++)
        {
            long run = Math.Min(end, grid.ColumnOf(block + 1)) - column;
            Decode<TFormat, TTarget>(codes, output, run, rowScales[block]);
            codes += run;
            output += run;
            column += run;
        }
    }

    /// <summary><see cref="Decode{TFormat, TTarget}(byte*, T*, in ScaleGrid, long, long, float*)"/> past the caches.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static void DecodeStreamed<TFormat, TTarget>(byte* codes, T* output, in ScaleGrid grid, long column, long length, float* rowScales, byte* stage)
        where TFormat : struct, IHostFormat
        where TTarget : struct, ILaneTarget<T>
    {
        var stream = new LineStream<TLanes>(stage, (byte*)output);
        long end = column + length;
        while (column < end)
        {
            long block = (column + grid.ColumnOffset) / grid.BlockColumns;
            long run = Math.Min(Math.Min(end, grid.ColumnOf(block + 1)) - column, LineStream.MaxPiece / sizeof(T));
            Decode<TFormat, TTarget>(codes, (T*)stream.Place, run, rowScales[block]);
            stream.Advance((int)run * sizeof(T));
            codes += run;
            column += run;
        }

        stream.Close();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TLanes Larger(T* source, long length, TLanes amax, long ahead)
    {
        long step = TLanes.Count * sizeof(int) / sizeof(T);
        if (length < step)
        {
            return TLanes.Max(amax, TLanes.Create(LargestOfFew(source, length)));
        }

        TLanes larger = default;
        TLanes other = default;
        long index = 0;
        for (; index <= length - 2 * step; index += 2 * step)
        {
            HostVectors.Prefetch((byte*)(source + index) + ahead);
            HostVectors.Prefetch((byte*)(source + index + step) + ahead);
            larger = LargerOf(larger, Magnitudes(source + index));
            other = LargerOf(other, Magnitudes(source + index + step));
        }

        larger = LargerOf(larger, other);
        if (index <= length - step)
        {
            larger = LargerOf(larger, Magnitudes(source + index));
        }

        if (length % step != 0)
        {
            larger = LargerOf(larger, Magnitudes(source + length - step));
        }

        return TLanes.Max(amax, InUpperBits(larger));
    }

    /// <summary>The magnitudes of <see cref="GroupLength"/> elements.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TLanes LargestOfGroup(T* source, long ahead)
    {
        int step = TLanes.Count * sizeof(int) / sizeof(T);
        TLanes larger = default;
        for (int index = 0; index < GroupLength; index += 4 * step)
        {
            for (int line = 0; line < 4 * step * sizeof(T); line += LineStream.Line)
            {
                HostVectors.Prefetch((byte*)(source + index) + ahead + line);
            }

            larger = LargerOf(larger, LargerOf(
                LargerOf(Magnitudes(source + index), Magnitudes(source + index + step)),
                LargerOf(Magnitudes(source + index + 2 * step), Magnitudes(source + index + 3 * step))));
        }

        return larger;
    }

    /// <summary>The larger of two elements in the upper bits of a lane that holds two.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TLanes InUpperBits(TLanes larger) => UnusedBits == 0 ? larger : TLanes.Max(larger, larger << UnusedBits);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static int LargestOfFew(T* source, long length)
    {
        int largest = 0;
        for (long i = 0; i < length; i++)
        {
            int bits = UnusedBits == 0 ? *(int*)(source + i) : *(ushort*)(source + i) << UnusedBits;
            largest = Math.Max(largest, bits & MagnitudeMask);
        }

        return largest;
    }

    /// <summary>The magnitudes of a vector of elements, two to a lane where elements have 16 bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TLanes Magnitudes(T* source)
        => TLanes.Load(ref *(int*)source) & TLanes.Create(UnusedBits == 0 ? MagnitudeMask : WordMagnitudesMask);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TLanes LargerOf(TLanes left, TLanes right) => UnusedBits == 0 ? TLanes.Max(left, right) : TLanes.MaxWords(left, right);

    /// <summary>Encodes one run, to <paramref name="codes"/> or into the stream.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Encode<TFormat>(T* source, byte* codes, long length, float scale, ref LineStream<TLanes> stream)
        where TFormat : struct, IHostFormat
    {
        if (!stream.IsOpen)
        {
            Encode<TFormat>(source, codes, length, scale);
            return;
        }

        for (long done = 0; done < length; done += LineStream.MaxPiece)
        {
            int piece = (int)Math.Min(LineStream.MaxPiece, length - done);
            Encode<TFormat>(source + done, stream.Place, piece, scale);
            stream.Advance(piece);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Encode<TFormat>(T* source, byte* codes, long length, float scale)
        where TFormat : struct, IHostFormat
    {
        if (!float.IsFinite(scale))
        {
            NativeMemory.Fill(codes, (nuint)length, TFormat.NotFinite);
            return;
        }

        if (length < TLanes.Count)
        {
            EncodeFew<TFormat>(source, codes, length, scale);
            return;
        }

        TLanes divisor = TLanes.Create(BitConverter.SingleToInt32Bits(scale));
        long last = length - TLanes.Count;
        for (long index = 0; index <= last; index += TLanes.Count)
        {
            TLanes.StoreBytes(TFormat.Encode(TLanes.DivideSingle(Load(source + index), divisor)), ref codes[index]);
        }

        if (length % TLanes.Count != 0)
        {
            TLanes.StoreBytes(TFormat.Encode(TLanes.DivideSingle(Load(source + last), divisor)), ref codes[last]);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void EncodeFew<TFormat>(T* source, byte* codes, long length, float scale)
        where TFormat : struct, IHostFormat
    {
        for (long i = 0; i < length; i++)
        {
            codes[i] = TFormat.Encode(TSource.Load(source[i]) / scale);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Decode<TFormat, TTarget>(byte* codes, T* output, long length, float scale)
        where TFormat : struct, IHostFormat
        where TTarget : struct, ILaneTarget<T>
    {
        if (typeof(TFormat) == typeof(HostFloat8) && typeof(TLanes) == typeof(Lanes512) && Float8Table.IsSupported)
        {
            long done = Float8Table.Decode<T, TTarget>(codes, length, scale, output);
            if (done == length)
            {
                return;
            }

            codes += done;
            output += done;
            length -= done;
        }

        if (length < TLanes.Count)
        {
            DecodeFew<TFormat, TTarget>(codes, output, length, scale);
            return;
        }

        TLanes factor = TLanes.Create(BitConverter.SingleToInt32Bits(scale));
        long last = length - TLanes.Count;
        for (long index = 0; index <= last; index += TLanes.Count)
        {
            TTarget.Store(ref output[index], TLanes.MultiplySingle(TFormat.Decode<TLanes>(ref codes[index]), factor));
        }

        if (length % TLanes.Count != 0)
        {
            TTarget.Store(ref output[last], TLanes.MultiplySingle(TFormat.Decode<TLanes>(ref codes[last]), factor));
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void DecodeFew<TFormat, TTarget>(byte* codes, T* output, long length, float scale)
        where TFormat : struct, IHostFormat
        where TTarget : struct, ILaneTarget<T>
    {
        for (long i = 0; i < length; i++)
        {
            output[i] = TTarget.Store(TFormat.Decode(codes[i]) * scale);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TLanes Load(T* source) => TSource.Load<TLanes>(ref *source);
}
