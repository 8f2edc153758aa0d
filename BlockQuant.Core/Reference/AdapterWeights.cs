namespace BlockQuant.Reference;

/// <summary>One slice of LoRA weights of several adapters, in float64.</summary>
public sealed class AdapterWeights
{
    /// <summary>Takes unquantized weights.</summary>
    /// <param name="values">[adapters, rows, columns].</param>
    /// <param name="adapters">How many adapters there are.</param>
    /// <param name="rows">Rows of each: the rank of a shrink's A, the output's columns of an expand's B.</param>
    /// <param name="columns">Columns of each: K of a shrink's A, the rank of an expand's B.</param>
    /// <exception cref="ArgumentException"><paramref name="values"/> has another length.</exception>
    public AdapterWeights(double[] values, int adapters, int rows, int columns)
    {
        ArgumentNullException.ThrowIfNull(values);
        if (values.Length != (Int128)adapters * rows * columns)
        {
            throw new ArgumentException($"values: length {values.Length}; expected {adapters} x {rows} x {columns}.", nameof(values));
        }

        Values = values;
        Adapters = adapters;
        Rows = rows;
        Columns = columns;
    }

    /// <summary>The weights [adapters, rows, columns].</summary>
    public double[] Values { get; }

    /// <summary>How many adapters there are.</summary>
    public int Adapters { get; }

    /// <summary>Rows of each adapter.</summary>
    public int Rows { get; }

    /// <summary>Columns of each adapter.</summary>
    public int Columns { get; }

    /// <summary>Dequantizes weights of any granularity: tensor-wise, per channel or block-wise.</summary>
    /// <param name="adapters">One matrix [rows, columns] an adapter, all of one shape; at least one.</param>
    /// <exception cref="ArgumentException">There is no adapter, or their shapes differ.</exception>
    public static AdapterWeights FromQuantized(IReadOnlyList<QuantizedMatrix> adapters)
    {
        ArgumentNullException.ThrowIfNull(adapters);
        if (adapters.Count == 0 || adapters.Any(adapter => adapter.Rows != adapters[0].Rows || adapter.Columns != adapters[0].Columns))
        {
            throw new ArgumentException("adapters: none, or of several shapes; expected at least one, all of one shape.", nameof(adapters));
        }

        double[] values = [.. adapters.SelectMany(ReferenceOperators.Dequantize)];
        return new AdapterWeights(values, adapters.Count, checked((int)adapters[0].Rows), checked((int)adapters[0].Columns));
    }
}
