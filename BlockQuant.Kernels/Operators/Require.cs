using BlockQuant.Devices;
using ILGPU;

namespace BlockQuant;

/// <summary>What operators check before anything is launched.</summary>
internal static class Require
{
    public static void Shape<T>(in MatrixView<T> matrix, long rows, long columns, string operand)
        where T : unmanaged
    {
        if (matrix.Rows != rows || matrix.Columns != columns)
        {
            throw new ArgumentException($"{operand}: shape {matrix.Shape}; expected [{rows}, {columns}].", operand);
        }
    }

    // Eight bytes each, so that sums of a few such sizes are still 64-bit integers.
    private const long MaxElements = 1L << 60;

    /// <summary>The elements of a shape, as many as memory may have.</summary>
    public static long Elements(string operand, params ReadOnlySpan<long> shape)
    {
        try
        {
            long elements = 1;
            foreach (long extent in shape)
            {
                elements = checked(elements * extent);
            }

            return elements <= MaxElements ? elements : throw TooMany(operand, shape);
        }
        catch (OverflowException error)
        {
            throw TooMany(operand, shape, error);
        }
    }

    /// <summary>The memory has the length.</summary>
    public static void Length<T>(ArrayView<T> view, long length, string operand)
        where T : unmanaged
    {
        if (view.Length != length)
        {
            throw new ArgumentException($"{operand}: length {view.Length}; expected {length}.", operand);
        }
    }

    /// <summary>The operand has the format of the operator, and its memory is the device's.</summary>
    public static void Quantized<TCode>(ComputeDevice device, in QuantizedView<TCode> view, ElementFormat format, string operand)
        where TCode : unmanaged
    {
        if (view.Scheme is null)
        {
            throw new ArgumentNullException(operand);
        }

        if (view.Scheme.Format != format)
        {
            throw new ArgumentException($"{operand}: format {view.Scheme.Format}; expected {format}.", operand);
        }

        Memory(device, view.Codes.Data, operand);
        Memory(device, view.Scales.Data, operand);
    }

    /// <summary>The memory exists, is not disposed, and is the device's.</summary>
    public static void Memory<T>(ComputeDevice device, ArrayView<T> view, string operand)
        where T : unmanaged
    {
        if (view.Length == 0)
        {
            return;
        }

        if (ViewMemory.IsDisposed(view))
        {
            throw new ObjectDisposedException(operand, $"{operand}: its memory is disposed.");
        }

        if (!view.IsValid)
        {
            throw new ArgumentException($"{operand}: no device memory; expected {view.Length} elements.", operand);
        }

        if (!ViewMemory.IsOf(device.Accelerator, view))
        {
            throw new ArgumentException($"{operand}: memory of another device; expected that of {device.Name}.", operand);
        }
    }

    /// <summary>The workspace is long enough, and the device's.</summary>
    public static void Workspace<T>(ComputeDevice device, ArrayView<T> workspace, long length)
        where T : unmanaged
    {
        if (workspace.Length < length)
        {
            throw new ArgumentException($"workspace: length {workspace.Length}; expected at least {length}.", nameof(workspace));
        }

        Memory(device, workspace, nameof(workspace));
    }

    /// <summary>Memory that is written is not that of another operand.</summary>
    public static void Disjoint<TOut, TIn>(ArrayView<TOut> output, string outputName, ArrayView<TIn> other, string otherName)
        where TOut : unmanaged
        where TIn : unmanaged
    {
        if (output.Length > 0 && other.Length > 0 && ViewMemory.Overlap(output, other))
        {
            throw new ArgumentException($"{outputName}: overlaps {otherName}; expected memory of its own.", outputName);
        }
    }

    /// <summary>Memory that is written is no part of a map.</summary>
    public static void Disjoint<T>(ArrayView<T> written, string name, AdapterMapView map)
        where T : unmanaged
    {
        Disjoint(written, name, map.SortedTokens, "sorted tokens");
        Disjoint(written, name, map.Counts, "counts");
        Disjoint(written, name, map.Starts, "starts");
        Disjoint(written, name, map.AdapterIds, "adapter ids");
    }

    /// <summary>The weights have the depth of the activations.</summary>
    public static void SameDepth<TCode>(in QuantizedView<TCode> activations, in QuantizedView<TCode> weights)
        where TCode : unmanaged
    {
        if (weights.Columns != activations.Columns)
        {
            throw new ArgumentException(
                $"weights: shape {weights.Codes.Shape}; expected [N, {activations.Columns}], the K of activations {activations.Codes.Shape}.", nameof(weights));
        }
    }

    /// <summary>The matrix starts where a scale block does: a shard alone does not know the largest magnitude of the block it starts in.</summary>
    public static void BlockStart<TCode>(in QuantizedView<TCode> view, string operand)
        where TCode : unmanaged
    {
        if (view.ScaleRowOffset != 0 || view.ScaleColumnOffset != 0)
        {
            throw new ArgumentException(
                $"{operand}: starts at [{view.ScaleRowOffset}, {view.ScaleColumnOffset}] inside a scale block; expected [0, 0].", operand);
        }
    }

    /// <summary>The format is the one whose codes the type holds.</summary>
    public static void Format<TCode>(ElementFormat format, string operand)
        where TCode : unmanaged
    {
        ElementFormat expected = typeof(TCode) == typeof(Float8E4M3) ? ElementFormat.Float8E4M3 : ElementFormat.Int8;
        if (format != expected)
        {
            throw new ArgumentException($"{operand}: format {format}; expected {expected}.", operand);
        }
    }

    public static void Positive(long value, string operand)
    {
        if (value <= 0)
        {
            throw new ArgumentException($"{operand}: {value}; expected a positive number.", operand);
        }
    }

    /// <summary>The rows of a matrix are those of so many slices.</summary>
    public static void Slices<T>(in MatrixView<T> matrix, int slices, string operand)
        where T : unmanaged
    {
        if (slices <= 0 || matrix.Rows % slices != 0)
        {
            throw new ArgumentException($"{operand}: shape {matrix.Shape}; expected rows for {slices} slices.", operand);
        }
    }

    /// <summary>A scheme of FP8 goes with FP8 codes.</summary>
    public static void Codes<TCode>(QuantizationScheme scheme, string operand)
        where TCode : unmanaged
    {
        if (typeof(TCode) != typeof(Float8E4M3))
        {
            throw new ArgumentException($"{operand}: element type {typeof(TCode).Name} with scales; expected Float8E4M3.", operand);
        }

        if (scheme.Format != ElementFormat.Float8E4M3)
        {
            throw new ArgumentException($"{operand}: format {scheme.Format}; expected {ElementFormat.Float8E4M3}.", operand);
        }
    }

    /// <summary>A map with entries, all of it the device's.</summary>
    public static void Map(ComputeDevice device, AdapterMapView map)
    {
        // A default view has none.
        if (map.Entries == 0)
        {
            throw new ArgumentException($"map: {map.Tokens} tokens in no entries; expected at least one entry.", nameof(map));
        }

        Memory(device, map.SortedTokens, nameof(map));
        Memory(device, map.Counts, nameof(map));
        Memory(device, map.Starts, nameof(map));
        Memory(device, map.AdapterIds, nameof(map));
    }

    /// <summary>A status is whole.</summary>
    public static void Status(ComputeDevice device, ArrayView<int> status)
    {
        Length(status, DeviceStatus.Length, nameof(status));
        Memory(device, status, nameof(status));
    }

    /// <summary>A status is whole, or not given.</summary>
    public static void OptionalStatus(ComputeDevice device, ArrayView<int> status)
    {
        if (status.Length != 0)
        {
            Status(device, status);
        }
    }

    private static ArgumentException TooMany(string operand, ReadOnlySpan<long> shape, Exception? inner = null)
        => new($"{operand}: shape [{string.Join(", ", shape.ToArray())}]; expected at most {MaxElements} elements.", operand, inner);
}
