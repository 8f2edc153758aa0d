using System.Runtime.InteropServices;
using System.Security.Cryptography;
using BlockQuant.Tests.Operators;
using ILGPU.Runtime;

namespace BlockQuant.Tests.Hardening;

/// <summary>The operands of one random call, freed with it, and the bytes that it computed.</summary>
internal sealed class CallScope(ComputeDevice device, Random random, AcceleratorStream? stream) : IDisposable
{
    private readonly List<IDisposable> owned = [];
    private readonly IncrementalHash results = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

    public ComputeDevice Device => device;

    public Random Random => random;

    public AcceleratorStream? Stream => stream;

    /// <summary>An extent that is now and then nothing.</summary>
    public int Extent(int most) => random.Next(16) == 0 ? 0 : Positive(most);

    public int Positive(int most) => random.Next(1, most + 1);

    public QuantizationScheme Scheme(ElementFormat format, params ReadOnlySpan<ScaleGranularity> granularities)
    {
        ScaleGranularity granularity = granularities[random.Next(granularities.Length)];
        return new(format, granularity, new BlockShape(granularity == ScaleGranularity.TokenGroup ? 1 : Positive(20), Positive(40)));
    }

    public QuantizationScheme ActivationScheme(ElementFormat format)
        => Scheme(format, ScaleGranularity.TokenGroup, ScaleGranularity.Token, ScaleGranularity.Tensor);

    public QuantizationScheme WeightScheme(ElementFormat format)
        => Scheme(format, ScaleGranularity.Block, ScaleGranularity.Channel, ScaleGranularity.Tensor);

    public QuantizationScheme AnyScheme(ElementFormat format) => Scheme(format, Enum.GetValues<ScaleGranularity>());

    /// <summary>A matrix without contents, for an operator to fill.</summary>
    public DeviceMatrix<T> Empty<T>(long rows, long columns)
        where T : unmanaged
        => Own(new DeviceMatrix<T>(device, rows, columns));

    public QuantizedDeviceMatrix<TCode> EmptyCodes<TCode>(long rows, long columns, QuantizationScheme scheme)
        where TCode : unmanaged
        => Own(new QuantizedDeviceMatrix<TCode>(device, rows, columns, scheme));

    public DeviceMatrix<T> Matrix<T>(int rows, int columns)
        where T : unmanaged
        => Own(device.Upload<T>(Values<T>(rows * columns), rows, columns));

    public QuantizedDeviceMatrix<TCode> Codes<TCode>(int rows, int columns, QuantizationScheme scheme)
        where TCode : unmanaged
    {
        QuantizedDeviceMatrix<TCode> matrix = EmptyCodes<TCode>(rows, columns, scheme);
        matrix.Codes.CopyFrom(Values<TCode>(rows * columns), stream);
        matrix.Scales.CopyFrom(Scales(matrix.Scales.Rows * matrix.Scales.Columns), stream);
        return matrix;
    }

    public ExpertWeights<Float8E4M3> Experts(int experts, int rows, int columns)
    {
        ExpertWeights<Float8E4M3> weights = Own(new ExpertWeights<Float8E4M3>(device, experts, rows, columns, WeightScheme(ElementFormat.Float8E4M3)));
        weights.Codes.CopyFrom(Values<Float8E4M3>(experts * rows * columns), stream);
        weights.Scales.CopyFrom(Scales(weights.Scales.Length), stream);
        return weights;
    }

    public LoraDeviceSlice<T> Slice<T>(int adapters, int rows, int columns)
        where T : unmanaged
    {
        QuantizationScheme? scheme = typeof(T) == typeof(Float8E4M3) ? WeightScheme(ElementFormat.Float8E4M3) : null;
        LoraDeviceSlice<T> slice = Own(new LoraDeviceSlice<T>(device, scheme, adapters, rows, columns));
        slice.Values.CopyFrom(Values<T>(adapters * rows * columns), stream);
        slice.Scales.CopyFrom(Scales(slice.Scales.Length), stream);
        return slice;
    }

    public DeviceBuffer<T> Buffer<T>(T[] elements)
        where T : unmanaged
        => Own(device.Upload<T>(elements));

    public T[] Values<T>(int count)
        where T : unmanaged
    {
        float[] values = RandomData.Normal(random, count);
        return typeof(T) == typeof(sbyte)
            ? (T[])(object)Array.ConvertAll(values, value => (sbyte)Math.Clamp(40 * value, -127, 127))
            : Array.ConvertAll(values, LoraData.From<T>);
    }

    public int[] Indices(int count, int from, int to)
    {
        var indices = new int[count];
        for (int i = 0; i < count; i++)
        {
            indices[i] = random.Next(from, to);
        }

        return indices;
    }

    public TItem Own<TItem>(TItem item)
        where TItem : IDisposable
    {
        owned.Add(item);
        return item;
    }

    /// <summary>Keeps what a call computed.</summary>
    public void Take<T>(DeviceBuffer<T> found)
        where T : unmanaged
        => results.AppendData(MemoryMarshal.AsBytes(found.ToArray(stream).AsSpan()));

    public void Take<T>(DeviceMatrix<T> found)
        where T : unmanaged
    {
        var elements = new T[found.Rows * found.Columns];
        found.CopyTo(elements, stream);
        results.AppendData(MemoryMarshal.AsBytes(elements.AsSpan()));
    }

    public void Take<TCode>(QuantizedDeviceMatrix<TCode> found)
        where TCode : unmanaged
    {
        Take(found.Codes);
        Take(found.Scales);
    }

    /// <summary>What stands for all that was taken.</summary>
    public string Digest() => Convert.ToHexString(results.GetHashAndReset());

    public void Dispose()
    {
        owned.ForEach(item => item.Dispose());
        results.Dispose();
    }

    private float[] Scales(long count)
    {
        var scales = new float[count];
        for (int i = 0; i < count; i++)
        {
            scales[i] = (float)Math.Pow(2, 6 * random.NextDouble() - 3);
        }

        return scales;
    }
}
