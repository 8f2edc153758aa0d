using System.Runtime.InteropServices;
using ILGPU.Runtime;

namespace BlockQuant.Tests.Devices;

/// <summary>
/// Every operator of the view tier can be recorded once and replayed with changed inputs. On CUDA the recording is a graph, which no
/// allocation or synchronisation survives; elsewhere it is the call itself.
/// </summary>
public sealed class ReplayTests
{
    private const int M = 11;
    private const int N = 24;
    private const int K = 160;
    private const int Experts = 3;

    private static readonly ComputeDevice Device = TestDevice.Shared;

    private readonly List<IDisposable> owned = [];

    [TearDown]
    public void Free()
    {
        owned.ForEach(resource => resource.Dispose());
        owned.Clear();
    }

    [Test]
    public void Fp8_operators_replay()
    {
        DeviceMatrix<float> x = Matrix<float>(M, K);
        QuantizedDeviceMatrix<Float8E4M3> a = Quantized<Float8E4M3>(M, QuantizationScheme.Fp8TokenGroup128);
        QuantizedDeviceMatrix<Float8E4M3> tensor = Quantized<Float8E4M3>(M, QuantizationScheme.Fp8Tensor);
        QuantizedDeviceMatrix<Float8E4M3> again = Quantized<Float8E4M3>(M, QuantizationScheme.Fp8Tensor);
        QuantizedDeviceMatrix<Float8E4M3> b = Fp8Weight();
        DeviceMatrix<BFloat16> c = Matrix<BFloat16>(M, N);
        DeviceMatrix<Half> back = Matrix<Half>(M, K);
        again.Scales.CopyFrom([0.25f]);
        Replays(
            random => x.CopyFrom(RandomData.Normal(random, M * K)),
            stream =>
            {
                Device.Fp8.Quantize(x.View, a.View, stream);
                Device.Fp8.Quantize(x.View, tensor.View, stream);
                Device.Fp8.QuantizeWithScale(x.View, again.View, stream);
                Device.Fp8.Dequantize(a.View, back.View, stream);
                Device.Fp8.Multiply(a.View, b.View, c.View, null, stream);
            },
            () => [Bytes(a.Codes), Bytes(a.Scales), Bytes(tensor.Codes), Bytes(tensor.Scales), Bytes(again.Codes), Bytes(back), Bytes(c)]);
    }

    [Test]
    public void Int8_operators_replay()
    {
        DeviceMatrix<float> x = Matrix<float>(M, K);
        QuantizedDeviceMatrix<sbyte> a = Quantized<sbyte>(M, QuantizationScheme.Int8TokenGroup128);
        QuantizedDeviceMatrix<sbyte> b = Quantized<sbyte>(N, QuantizationScheme.Int8Block128);
        DeviceMatrix<float> w = Matrix<float>(N, K);
        w.CopyFrom(RandomData.Normal(new Random(2), N * K));
        Device.Int8.Quantize(w.View, b.View);
        DeviceBuffer<float> bias = Keep(Device.Upload<float>(RandomData.Normal(new Random(3), N)));
        DeviceMatrix<Half> c = Matrix<Half>(M, N);
        var output = Keep(new QuantizedDeviceMatrix<sbyte>(Device, M, N, QuantizationScheme.Int8TokenGroup128));
        var gelu = Keep(new QuantizedDeviceMatrix<sbyte>(Device, M, N, QuantizationScheme.Int8TokenGroup128));
        DeviceMatrix<float> back = Matrix<float>(M, K);
        Replays(
            random => x.CopyFrom(RandomData.Normal(random, M * K)),
            stream =>
            {
                Device.Int8.Quantize(x.View, a.View, RoundingMode.Nearest, stream);
                Device.Int8.Dequantize(a.View, back.View, stream);
                Device.Int8.MultiplyAdd(a.View, b.View, bias.View, c.View, null, stream);
                Device.Int8.MultiplyAddQuantize(a.View, b.View, bias.View, output.View, RoundingMode.ReferenceCompatible, null, stream);
                Device.Int8.Gelu(output.View, gelu.View, RoundingMode.ReferenceCompatible, stream);
            },
            () => [Bytes(a.Codes), Bytes(back), Bytes(c), Bytes(output.Codes), Bytes(output.Scales), Bytes(gelu.Codes), Bytes(gelu.Scales)]);
    }

    [Test]
    public void Expert_operators_replay()
    {
        const int TopK = 2;
        const int Rows = M * TopK;
        DeviceMatrix<BFloat16> x = Matrix<BFloat16>(M, K);
        DeviceMatrix<int> ids = Matrix<int>(M, TopK);
        DeviceMatrix<float> gate = Matrix<float>(M, TopK);
        gate.CopyFrom(RandomData.Normal(new Random(4), Rows));
        ExpertWeights<Float8E4M3> weights = Keep(new ExpertWeights<Float8E4M3>(Device, Experts, N, K, QuantizationScheme.Fp8Block128));
        weights.Codes.CopyFrom(RandomData.Codes(Reference.ReferenceOperators.QuantizeFp8(
            RandomData.Normal(new Random(5), Experts * N * K), Experts * N, K, QuantizationScheme.Fp8Block128)));
        weights.Scales.CopyFrom(Enumerable.Repeat(0.01f, (int)weights.Scales.Length).ToArray());
        var table = Keep(new ExpertRoutingTable(Device, M, TopK, Experts));
        var status = Keep(new DeviceStatus(Device));
        DeviceMatrix<BFloat16> gathered = Matrix<BFloat16>(Rows, K);
        DeviceMatrix<BFloat16> grouped = Matrix<BFloat16>(Rows, N);
        DeviceMatrix<BFloat16> batched = Matrix<BFloat16>(M, N);
        DeviceMatrix<float> combined = Matrix<float>(M, N);
        DeviceBuffer<int> workspace = Keep(Device.Allocate<int>(Device.Fp8.GroupedWorkspaceLength(Rows, weights.View)));
        DeviceBuffer<int> batchedWorkspace = Keep(Device.Allocate<int>(Device.Fp8.BatchedWorkspaceLength(M, weights.View)));
        DeviceBuffer<int> rowExperts = Keep(Device.Allocate<int>(M));
        DeviceMatrix<float> wide = Matrix<float>(Rows, N);
        Replays(
            random =>
            {
                x.CopyFrom(Array.ConvertAll(RandomData.Normal(random, M * K), value => BFloat16.FromSingle(value)));
                ids.CopyFrom(Enumerable.Range(0, Rows).Select(_ => random.Next(Experts)).ToArray());
                rowExperts.CopyFrom(Enumerable.Range(0, M).Select(_ => random.Next(Experts)).ToArray());
                wide.CopyFrom(RandomData.Normal(random, Rows * N));
            },
            stream =>
            {
                Device.Routing.Route(ids.View, table.View, table.Workspace.View, status.View, stream);
                Device.Routing.Gather(x.View, table.View, gathered.View, stream);
                Device.Fp8.MultiplyGrouped(gathered.View, weights.View, table.Indptr.View, grouped.View, workspace.View, status.View, null, stream);
                Device.Fp8.MultiplyBatched(x.View, weights.View, rowExperts.View, batched.View, batchedWorkspace.View, status.View, null, stream);
                Device.Routing.Combine(wide.View, gate.View, table.View, combined.View, stream);
            },
            () => [Bytes(table.SlotRows), Bytes(gathered), Bytes(grouped), Bytes(batched), Bytes(combined)]);
        status.Read().Code.Should().Be(DeviceStatusCode.None);
    }

    [Test]
    public void Lora_operators_replay()
    {
        const int Rank = 8;
        DeviceMatrix<BFloat16> x = Matrix<BFloat16>(M, K);
        DeviceBuffer<int> mapping = Keep(Device.Allocate<int>(M));
        var map = Keep(new AdapterMap(Device, M, Experts));
        var status = Keep(new DeviceStatus(Device));
        DeviceBuffer<BFloat16> down = Keep(Device.Upload<BFloat16>(Array.ConvertAll(RandomData.Normal(new Random(6), Experts * Rank * K), BFloat16.FromSingle)));
        DeviceBuffer<BFloat16> up = Keep(Device.Upload<BFloat16>(Array.ConvertAll(RandomData.Normal(new Random(7), Experts * N * Rank), BFloat16.FromSingle)));
        DeviceMatrix<float> shrunk = Matrix<float>(M, Rank);
        DeviceMatrix<BFloat16> output = Matrix<BFloat16>(M, N);
        Replays(
            random =>
            {
                x.CopyFrom(Array.ConvertAll(RandomData.Normal(random, M * K), BFloat16.FromSingle));
                mapping.CopyFrom(Enumerable.Range(0, M).Select(_ => random.Next(Experts + 1) - 1).ToArray());
                output.CopyFrom(new BFloat16[M * N]);
            },
            stream =>
            {
                Device.Lora.BuildAdapterMap(mapping.View, map.View, status.View, stream);
                LoraSlice<BFloat16> a = new(down.View, Experts, Rank, K);
                Device.Lora.Shrink(new LoraInput<BFloat16>(x.View), [a], map.View, 0.5f, shrunk.View, default, null, stream);
                LoraSlice<BFloat16> b = new(up.View, Experts, N, Rank);
                Device.Lora.Expand(new LoraInput<float>(shrunk.View), [b], map.View, output.View, null, stream);
            },
            () => [Bytes(map.SortedTokens), Bytes(shrunk), Bytes(output)]);
        status.Read().Code.Should().Be(DeviceStatusCode.None);
    }

    private static void Replays(Action<Random> fill, Action<AcceleratorStream> operators, Func<byte[][]> read)
    {
        using AcceleratorStream stream = Device.CreateStream();
        fill(new Random(100));
        operators(stream);
        stream.Synchronize();
        byte[][] first = read();
        using Recording recording = Recording.Of(Device, stream, operators);

        fill(new Random(200));
        recording.Replay();
        stream.Synchronize();
        byte[][] replayed = read();

        fill(new Random(200));
        operators(stream);
        stream.Synchronize();
        byte[][] called = read();
        for (int i = 0; i < called.Length; i++)
        {
            replayed[i].Should().Equal(called[i], $"output {i} of the replay is that of a call");
            replayed[i].Should().NotEqual(first[i], $"output {i} follows its inputs");
        }
    }

    private static byte[] Bytes<T>(DeviceMatrix<T> matrix)
        where T : unmanaged
        => MemoryMarshal.AsBytes(matrix.ToArray().AsSpan()).ToArray();

    private static byte[] Bytes<T>(DeviceBuffer<T> buffer)
        where T : unmanaged
        => MemoryMarshal.AsBytes(buffer.ToArray().AsSpan()).ToArray();

    private QuantizedDeviceMatrix<Float8E4M3> Fp8Weight()
        => Keep(Device.Upload<Float8E4M3>(Reference.ReferenceOperators.QuantizeFp8(
            RandomData.Normal(new Random(1), N * K), N, K, QuantizationScheme.Fp8Block128)));

    private DeviceMatrix<T> Matrix<T>(int rows, int columns)
        where T : unmanaged
        => Keep(new DeviceMatrix<T>(Device, rows, columns));

    private QuantizedDeviceMatrix<TCode> Quantized<TCode>(int rows, QuantizationScheme scheme)
        where TCode : unmanaged
        => Keep(new QuantizedDeviceMatrix<TCode>(Device, rows, K, scheme));

    private T Keep<T>(T resource)
        where T : IDisposable
    {
        owned.Add(resource);
        return resource;
    }
}
