using ILGPU;

namespace BlockQuant;

/// <summary>A row-major matrix [<see cref="Rows"/>, <see cref="Columns"/>] in device memory that somebody else owns.</summary>
/// <typeparam name="T">The element type.</typeparam>
public readonly struct MatrixView<T>
    where T : unmanaged
{
    /// <summary>Gives device memory a shape.</summary>
    /// <param name="data">The memory; its length is <paramref name="rows"/> × <paramref name="columns"/>.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="columns">Columns.</param>
    /// <exception cref="ArgumentException">The length is not that of the shape.</exception>
    public MatrixView(ArrayView<T> data, long rows, long columns)
    {
        if (rows < 0 || columns < 0 || data.Length != Require.Elements(nameof(data), rows, columns))
        {
            throw new ArgumentException($"data: length {data.Length}; expected {rows} x {columns}.", nameof(data));
        }

        Data = data;
        Rows = rows;
        Columns = columns;
    }

    /// <summary>The elements, row after row.</summary>
    public ArrayView<T> Data { get; }

    /// <summary>Rows.</summary>
    public long Rows { get; }

    /// <summary>Columns.</summary>
    public long Columns { get; }

    internal string Shape => $"[{Rows}, {Columns}]";
}
