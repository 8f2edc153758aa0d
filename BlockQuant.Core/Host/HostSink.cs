namespace BlockQuant.Host;

/// <summary>Where a product goes: output = [output +] element(scaling · product + bias).</summary>
internal unsafe struct HostSink
{
    /// <summary>The most values at once.</summary>
    public const int MaxCount = 64;

    public required HostElement Element;
    public required byte* Output;

    /// <summary>Elements from one row to the next.</summary>
    public required long RowStride;

    /// <summary>One value a column, or null.</summary>
    public float* Bias;

    /// <summary>Null for 1.</summary>
    public float? Scaling;

    /// <summary>Whether the output's own value is added, before the sum is rounded.</summary>
    public bool Add;

    /// <summary>Takes <paramref name="count"/> values of one row, from a column on.</summary>
    public readonly void Store(long row, long column, int count, float* values)
    {
        byte* target = Output + (row * RowStride + column) * Element.Size;
        if (Scaling is { } scaling)
        {
            for (int i = 0; i < count; i++)
            {
                values[i] *= scaling;
            }
        }

        if (Bias is not null)
        {
            for (int i = 0; i < count; i++)
            {
                values[i] += Bias[column + i];
            }
        }

        if (Add)
        {
            float* before = stackalloc float[MaxCount];
            Element.Decode(target, count, before);
            for (int i = 0; i < count; i++)
            {
                values[i] += before[i];
            }
        }

        Element.Encode(values, count, target);
    }
}
