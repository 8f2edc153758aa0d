using BlockQuant.Reference;

namespace BlockQuant.Tests.Operators;

/// <summary>Random LoRA operands: on the device as the operators take them, and dequantized as the reference takes them.</summary>
internal sealed class LoraData(ComputeDevice device, Random random) : IDisposable
{
    private readonly List<IDisposable> owned = [];

    /// <summary>Whether values are small integers and scales powers of two, so that float32 holds every sum exactly in any order.</summary>
    public bool IsExact { get; init; }

    /// <summary>Full-precision or FP8 weights with strides of their own; the gaps hold NaN, which would spoil every sum.</summary>
    public (LoraSlice<T> Slice, AdapterWeights Weights) Slice<T>(
        QuantizationScheme? scheme, int adapters, int rows, int columns, int rowGap = 0, int adapterGap = 0, int rowOffset = 0, int columnOffset = 0)
        where T : unmanaged
    {
        int rowStride = columns + rowGap;
        int adapterStride = rows * rowStride + adapterGap;
        var elements = new T[adapters * adapterStride];
        Array.Fill(elements, From<T>(float.NaN));
        float[] values = Values(adapters * rows * columns);
        (long scaleRows, long scaleColumns) = scheme?.ScaleShape(rows, columns, rowOffset, columnOffset) ?? (0, 0);
        (long blockRows, long blockColumns) = scheme?.BlockOf(rows, columns) ?? (1, 1);
        float[] scales = Scales(adapters * scaleRows * scaleColumns);
        var dequantized = new double[values.Length];
        for (int i = 0; i < values.Length; i++)
        {
            (int adapter, int row, int column) = (i / (rows * columns), i / columns % rows, i % columns);
            T element = From<T>(values[i]);
            elements[adapter * adapterStride + row * rowStride + column] = element;
            dequantized[i] = ToSingle(element);
            if (scheme is not null)
            {
                long block = (adapter * scaleRows + (row + rowOffset) / blockRows) * scaleColumns + (column + columnOffset) / blockColumns;
                dequantized[i] *= scales[block];
            }
        }

        DeviceBuffer<T> buffer = Own(device.Upload<T>(elements));
        LoraSlice<T> slice = scheme is null
            ? new(buffer.View, adapters, rows, columns, adapterStride, rowStride)
            : new(
                buffer.View, Own(device.Upload<float>(scales)).View, scheme, adapters, rows, columns, adapterStride, rowStride, rowOffset, columnOffset);
        return (slice, new AdapterWeights(dequantized, adapters, rows, columns));
    }

    /// <summary>Full-precision or FP8 input rows.</summary>
    public (LoraInput<T> Input, double[] Values) Input<T>(
        QuantizationScheme? scheme, int slices, int tokens, int columns, bool sharedScales = false, int columnOffset = 0)
        where T : unmanaged
    {
        int rows = slices * tokens;
        T[] elements = Array.ConvertAll(Values(rows * columns), From<T>);
        double[] values = Array.ConvertAll(elements, element => (double)ToSingle(element));
        var matrix = new MatrixView<T>(Own(device.Upload<T>(elements)).View, rows, columns);
        if (scheme is null)
        {
            return (new(matrix, slices), values);
        }

        int scaled = sharedScales ? tokens : rows;
        (long scaleRows, long scaleColumns) = scheme.ScaleShape(scaled, columns, 0, columnOffset);
        (long blockRows, long blockColumns) = scheme.BlockOf(scaled, columns);
        float[] scales = Scales(scaleRows * scaleColumns);
        for (int i = 0; i < values.Length; i++)
        {
            (int row, int column) = (i / columns % scaled, i % columns);
            values[i] *= scales[row / blockRows * scaleColumns + (column + columnOffset) / blockColumns];
        }

        var scaleMatrix = new MatrixView<float>(Own(device.Upload<float>(scales)).View, scaleRows, scaleColumns);
        return (new(matrix, scaleMatrix, scheme, slices, columnOffset), values);
    }

    public AdapterMapView Map(int[] mapping, int adapters) => Own(new AdapterMap(device, mapping, adapters)).View;

    /// <summary>An adapter or none for each token; some adapters get none.</summary>
    public int[] Mapping(int tokens, int adapters)
    {
        int used = random.Next(1, adapters + 1);
        var mapping = new int[tokens];
        for (int t = 0; t < tokens; t++)
        {
            mapping[t] = random.Next(-1, used);
        }

        return mapping;
    }

    public DeviceMatrix<T> Output<T>(T[] before, int rows, int columns)
        where T : unmanaged
        => Own(device.Upload<T>(before, rows, columns));

    public DeviceBuffer<T> Buffer<T>(T[] elements)
        where T : unmanaged
        => Own(device.Upload<T>(elements));

    public void Dispose() => owned.ForEach(item => item.Dispose());

    public static T From<T>(float value)
        where T : unmanaged
        => typeof(T) == typeof(Float8E4M3) ? (T)(object)Float8E4M3.FromSingle(value)
            : typeof(T) == typeof(BFloat16) ? (T)(object)BFloat16.FromSingle(value)
            : typeof(T) == typeof(Half) ? (T)(object)(Half)value
            : (T)(object)value;

    public static float ToSingle<T>(T value)
        where T : unmanaged
        => value switch
        {
            Float8E4M3 code => code.ToSingle(),
            BFloat16 bits => bits.ToSingle(),
            Half half => (float)half,
            _ => (float)(object)value,
        };

    /// <summary>Random values.</summary>
    public float[] Values(int count) => IsExact
        ? Enumerable.Range(0, count).Select(_ => (float)random.Next(-8, 9)).ToArray()
        : RandomData.Normal(random, count);

    private float[] Scales(long count)
    {
        var scales = new float[count];
        for (int i = 0; i < scales.Length; i++)
        {
            scales[i] = (float)Math.Pow(2, IsExact ? random.Next(-2, 3) : 6 * random.NextDouble() - 3);
        }

        return scales;
    }

    private TItem Own<TItem>(TItem item)
        where TItem : IDisposable
    {
        owned.Add(item);
        return item;
    }
}
