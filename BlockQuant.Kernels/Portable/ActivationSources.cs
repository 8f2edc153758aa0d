using ILGPU;

namespace BlockQuant.Kernels.Portable;

/// <summary>
/// Where a matrix product gets its activations: codes that were quantized before, or full-precision rows that it quantizes as it loads them.
/// </summary>
internal interface IActivationSource<TArguments>
    where TArguments : struct
{
    /// <summary>Finds the scales of the tile's rows for one stretch of K. All lanes call it; ends behind a barrier if it wrote anything.</summary>
    static abstract void Prepare(TArguments a, ArrayView<float> rowScales, long row0, long rowEnd, int tileM, long k0, long k1);

    /// <summary>The decoded, unscaled activation.</summary>
    static abstract float Load(TArguments a, ArrayView<float> rowScales, long row0, long row, long k);

    /// <summary>The scale of a row in the stretch of K that was prepared.</summary>
    static abstract float Scale(TArguments a, ArrayView<float> rowScales, long row0, long row, long k);
}

/// <summary>Activations quantized before: codes [M, K] and their scale grid.</summary>
internal struct QuantizedActivations : IKernelArguments
{
    public ArrayView<byte> Codes;
    public ArrayView<float> Scales;
    public long K;
    public long ScaleColumns;
    public long BlockRows;
    public long BlockColumns;
    public long RowOffset;
    public long ColumnOffset;

    /// <inheritdoc/>
    public readonly void Write(ref ArgumentBlock block)
    {
        block.Add(Codes);
        block.Add(Scales);
        block.Add(K);
        block.Add(ScaleColumns);
        block.Add(BlockRows);
        block.Add(BlockColumns);
        block.Add(RowOffset);
        block.Add(ColumnOffset);
    }
}

/// <inheritdoc/>
internal readonly struct QuantizedActivationSource<TFormat> : IActivationSource<QuantizedActivations>
    where TFormat : struct, ICodeFormat
{
    public static void Prepare(QuantizedActivations a, ArrayView<float> rowScales, long row0, long rowEnd, int tileM, long k0, long k1)
    {
    }

    public static float Load(QuantizedActivations a, ArrayView<float> rowScales, long row0, long row, long k)
        => TFormat.Decode(a.Codes[row * a.K + k]);

    public static float Scale(QuantizedActivations a, ArrayView<float> rowScales, long row0, long row, long k)
        => a.Scales[(row + a.RowOffset) / a.BlockRows * a.ScaleColumns + (k + a.ColumnOffset) / a.BlockColumns];
}

/// <summary>Full-precision activations [M, K], quantized while they are loaded.</summary>
internal struct RawActivations<TBits> : IKernelArguments
    where TBits : unmanaged
{
    public ArrayView<TBits> Values;
    public long K;

    /// <inheritdoc/>
    public readonly void Write(ref ArgumentBlock block)
    {
        block.Add(Values);
        block.Add(K);
    }
}

/// <inheritdoc/>
/// <remarks>The scale of each row's stretch is the one that <see cref="BlockQuantizeKernel"/> gives, so both ways agree bit for bit.</remarks>
internal readonly struct RawActivationSource<TBits, TElement, TFormat> : IActivationSource<RawActivations<TBits>>
    where TBits : unmanaged
    where TElement : struct, IElement<TBits>
    where TFormat : struct, ICodeFormat
{
    public static void Prepare(RawActivations<TBits> a, ArrayView<float> rowScales, long row0, long rowEnd, int tileM, long k0, long k1)
    {
        Group.Barrier();
        for (int r = Group.IdxX; r < tileM; r += Group.DimX)
        {
            int amax = 0;
            if (row0 + r < rowEnd)
            {
                long start = (row0 + r) * a.K;
                for (long k = k0; k < k1; k++)
                {
                    amax = Magnitude.Max(amax, Magnitude.Of(TElement.Decode(a.Values[start + k])));
                }
            }

            rowScales[r] = Magnitude.Scale<TFormat>(amax);
        }

        Group.Barrier();
    }

    public static float Load(RawActivations<TBits> a, ArrayView<float> rowScales, long row0, long row, long k)
    {
        float scale = rowScales[(int)(row - row0)];
        float value = TElement.Decode(a.Values[row * a.K + k]);
        return TFormat.Decode(Magnitude.Encode<TFormat>(value, scale, Magnitude.Of(scale)));
    }

    public static float Scale(RawActivations<TBits> a, ArrayView<float> rowScales, long row0, long row, long k)
        => rowScales[(int)(row - row0)];
}
