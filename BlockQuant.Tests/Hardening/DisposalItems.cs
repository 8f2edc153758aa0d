using ILGPU.Runtime;

namespace BlockQuant.Tests.Hardening;

/// <summary>A device and one of everything that lives on it, each with a use that must be refused once it or the device is disposed.</summary>
internal sealed class DisposalItems : IDisposable
{
    public const int Device = 0;

    public const int Count = 10;

    private readonly ComputeDevice device;
    private readonly IDisposable[] items;
    private readonly Action[] uses;
    private readonly bool[] disposed = new bool[Count];

    public DisposalItems(ComputeDevice device)
    {
        this.device = device;
        DeviceBuffer<float> buffer = device.Upload<float>([1f, 2f, 3f]);
        DeviceMatrix<float> matrix = device.Upload<float>(new float[8], 2, 4);
        var codes = new QuantizedDeviceMatrix<Float8E4M3>(device, 2, 4, QuantizationScheme.Fp8Token);
        AcceleratorStream stream = device.CreateStream();
        var experts = new ExpertWeights<Float8E4M3>(device, 2, 3, 4, QuantizationScheme.Fp8Block128);
        var table = new ExpertRoutingTable(device, 3, 2, 2);
        var map = new AdapterMap(device, [0, -1], 1);
        var slice = new LoraDeviceSlice<float>(device, 2, 3, 4);
        var status = new DeviceStatus(device);
        items = [device, buffer, matrix, codes, stream, experts, table, map, slice, status];
        uses =
        [
            () => device.Allocate<int>(1).Dispose(),
            () => buffer.ToArray().Should().Equal(1f, 2f, 3f),
            () => matrix.CopyFrom(new float[8]),
            () => device.Fp8.Quantize(new MatrixView<float>(device.Upload<float>(new float[8]).View, 2, 4), codes.View),
            () => Synchronize(stream),
            () => experts.View.Codes.Length.Should().Be(24),
            () => table.View.Tokens.Should().Be(3),
            () => map.Fill([-1, 0]),
            () => slice.View.Rows.Should().Be(3),
            () => status.Read().Code.Should().Be(DeviceStatusCode.None),
        ];
    }

    /// <summary>Buffer, matrix, codes and stream.</summary>
    public static int[] Principal => [1, 2, 3, 4];

    public void Dispose(int item)
    {
        items[item].Dispose();
        disposed[item] = true;
    }

    /// <summary>Whatever is disposed refuses its use, and what is not does not.</summary>
    public void Check()
    {
        for (int item = 0; item < Count; item++)
        {
            if (disposed[item] || disposed[Device])
            {
                uses[item].Should().Throw<ObjectDisposedException>($"item {item} or the device is disposed");
            }
            else
            {
                uses[item].Should().NotThrow($"item {item} and the device are not disposed");
            }
        }
    }

    public void Dispose()
    {
        for (int item = Count - 1; item >= 0; item--)
        {
            Dispose(item);
        }
    }

    private void Synchronize(AcceleratorStream stream)
    {
        using DeviceBuffer<int> buffer = device.Allocate<int>(1);
        buffer.CopyFrom([1], stream);
        stream.Synchronize();
    }
}
