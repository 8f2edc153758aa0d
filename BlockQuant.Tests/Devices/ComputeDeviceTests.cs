using BlockQuant.Scheduling;
using ILGPU.Runtime;

namespace BlockQuant.Tests.Devices;

/// <summary>Finding, opening and using devices.</summary>
public sealed class ComputeDeviceTests
{
    [Test]
    public void Every_device_that_is_not_used_says_why()
    {
        IReadOnlyList<DeviceDescription> devices = ComputeDevice.List();
        devices.Select(device => device.Kind).Distinct().Should().BeEquivalentTo(Enum.GetValues<DeviceKind>());
        devices.Where(device => !device.IsUsable).Should().OnlyContain(device => device.Reason.Length > 0);
        devices.Should().Contain(device => device.Kind == DeviceKind.Cpu && device.IsUsable);
    }

    [Test]
    public void The_default_device_is_the_best_one_listed()
    {
        using ComputeDevice device = ComputeDevice.CreateDefault();
        device.Kind.Should().Be(ComputeDevice.List().First(found => found.IsUsable).Kind);
    }

    [Test]
    public void A_listed_device_opens_and_another_says_why_not()
    {
        foreach (DeviceDescription found in ComputeDevice.List())
        {
            if (found.IsUsable)
            {
                using ComputeDevice device = ComputeDevice.Create(found.Kind, found.Index);
                device.Kind.Should().Be(found.Kind);
            }
            else
            {
                FluentActions.Invoking(() => ComputeDevice.Create(found.Kind, found.Index))
                    .Should().Throw<DeviceUnavailableException>().WithMessage($"{found.Kind} device {found.Index} cannot be used: ?*");
            }
        }

        FluentActions.Invoking(() => ComputeDevice.Create(DeviceKind.Cpu, 99)).Should().Throw<DeviceUnavailableException>().WithMessage("*99*");
    }

    [Test]
    public void A_device_opened_after_another_is_gone_loads_kernels_of_its_own()
    {
        // A CUDA context may get the address of one that was destroyed, and with it nothing that lived there.
        float[]? first = null;
        for (int i = 0; i < 4; i++)
        {
            using ComputeDevice device = TestDevice.Open();
            using DeviceMatrix<BFloat16> values = device.Upload<BFloat16>(Array.ConvertAll(RandomData.Normal(new Random(1), 256 * 256), BFloat16.FromSingle), 256, 256);
            using QuantizedDeviceMatrix<Float8E4M3> activations = device.Fp8.Quantize(values, QuantizationScheme.Fp8TokenGroup128);
            using QuantizedDeviceMatrix<Float8E4M3> weights = device.Fp8.Quantize(values, QuantizationScheme.Fp8Block128);
            using DeviceMatrix<float> product = device.Fp8.Multiply<float>(activations, weights);
            float[] found = product.ToArray();
            found.Should().Equal(first ??= found);
        }

        first.Should().OnlyContain(value => float.IsFinite(value)).And.Contain(value => value != 0);
    }

    [Test]
    public void Copies_come_back_as_they_went()
    {
        float[] values = Enumerable.Range(0, 1000).Select(i => i * 0.5f).ToArray();
        using DeviceBuffer<float> buffer = TestDevice.Shared.Upload<float>(values);
        buffer.ToArray().Should().Equal(values);
    }

    [Test]
    public void Parts_of_a_buffer_and_of_a_matrix_are_copied()
    {
        using DeviceBuffer<short> buffer = TestDevice.Shared.Upload<short>([1, 2, 3, 4, 5, 6]);
        using DeviceMatrix<short> matrix = TestDevice.Shared.Upload<short>([1, 2, 3, 4, 5, 6], 2, 3);
        var (ofBuffer, ofMatrix) = (new short[3], new short[3]);

        buffer.CopyFrom([7, 8], 1);
        matrix.CopyFrom([7, 8], 4);
        buffer.CopyFrom([], 6);
        buffer.CopyTo(ofBuffer, 2);
        matrix.CopyTo(ofMatrix, 3);

        buffer.ToArray().Should().Equal(1, 7, 8, 4, 5, 6);
        ofBuffer.Should().Equal(8, 4, 5);
        ofMatrix.Should().Equal(4, 7, 8);
    }

    [TestCase(-1, 1)]
    [TestCase(3, 4)]
    [TestCase(7, 0)]
    [TestCase(long.MaxValue, 1)]
    public void A_part_beyond_a_buffer_is_refused(long offset, int length)
    {
        using DeviceBuffer<short> buffer = TestDevice.Shared.Upload<short>([1, 2, 3, 4, 5, 6]);
        string message = $"*length {length} at {offset}; expected a part of the buffer, whose length is 6*";

        FluentActions.Invoking(() => buffer.CopyFrom(new short[length], offset)).Should().Throw<ArgumentException>().WithMessage("source" + message);
        FluentActions.Invoking(() => buffer.CopyTo(new short[length], offset)).Should().Throw<ArgumentException>().WithMessage("destination" + message);

        buffer.ToArray().Should().Equal(1, 2, 3, 4, 5, 6);
    }

    [Test]
    public void An_allocation_that_does_not_fit_says_how_much_was_asked_for()
    {
        foreach (DeviceDescription found in ComputeDevice.List().Where(found => found.IsUsable))
        {
            using ComputeDevice device = ComputeDevice.Create(found.Kind, found.Index);
            FluentActions.Invoking(() => device.Allocate<long>(1L << 50))
                .Should().Throw<DeviceOutOfMemoryException>().Which.RequestedBytes.Should().Be(8L << 50);
        }
    }

    [Test]
    public void Memory_and_streams_outlive_their_device()
    {
        foreach (DeviceDescription found in ComputeDevice.List().Where(found => found.IsUsable))
        {
            ComputeDevice device = ComputeDevice.Create(found.Kind, found.Index);
            DeviceBuffer<float> buffer = device.Upload<float>([1f, 2f]);
            AcceleratorStream stream = device.CreateStream();
            device.Dispose();
            FluentActions.Invoking(() => device.Allocate<float>(1)).Should().Throw<ObjectDisposedException>();
            stream.Dispose();
            buffer.Dispose();
            buffer.Dispose();
            FluentActions.Invoking(() => buffer.View).Should().Throw<ObjectDisposedException>();
        }
    }

    [Test]
    public void Embedded_kernels_compute_what_compiled_ones_do_where_there_is_a_gpu()
    {
        DeviceDescription cuda = ComputeDevice.List().First(found => found.Kind == DeviceKind.Cuda);
        if (!cuda.IsUsable)
        {
            FluentActions.Invoking(() => ComputeDevice.CreateEmbedded(cuda.Index))
                .Should().Throw<DeviceUnavailableException>().WithMessage($"Cuda device {cuda.Index} cannot be used: {cuda.Reason}");
            return;
        }

        using ComputeDevice embedded = ComputeDevice.CreateEmbedded(cuda.Index);
        using ComputeDevice compiled = ComputeDevice.Create(DeviceKind.Cuda, cuda.Index);
        Product(embedded).Should().Equal(Product(compiled));
    }

    [Test]
    public void A_kernel_is_compiled_once_however_many_threads_ask_for_it_first()
    {
        using ComputeDevice device = ComputeDevice.Create(DeviceKind.Cpu);
        using var barrier = new Barrier(4);
        Thread[] threads = Enumerable.Range(0, 4).Select(_ => new Thread(() =>
        {
            using var x = new DeviceMatrix<float>(device, 1, 8);
            barrier.SignalAndWait();
            using QuantizedDeviceMatrix<Float8E4M3> q = device.Fp8.Quantize(x, QuantizationScheme.Fp8TokenGroup128);
        })).ToArray();
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
        device.LoadCount.Should().Be(1);
    }

    [Test]
    public void Operators_of_the_view_tier_allocate_nothing_on_the_device()
    {
        ComputeDevice device = TestDevice.Shared;
        using var x = new DeviceMatrix<BFloat16>(device, 3, 256);
        x.CopyFrom(new BFloat16[3 * 256]);
        using var a = new QuantizedDeviceMatrix<Float8E4M3>(device, 3, 256, QuantizationScheme.Fp8TokenGroup128);
        using var b = new QuantizedDeviceMatrix<Float8E4M3>(device, 3, 256, QuantizationScheme.Fp8Block128);
        using var t = new QuantizedDeviceMatrix<Float8E4M3>(device, 3, 256, QuantizationScheme.Fp8Tensor);
        using var c = new DeviceMatrix<BFloat16>(device, 3, 3);
        long before = device.AllocationCount;
        device.Fp8.Quantize(x.View, a.View);
        device.Fp8.Quantize(x.View, b.View);
        device.Fp8.Quantize(x.View, t.View);
        device.Fp8.QuantizeWithScale(x.View, t.View);
        device.Fp8.Dequantize(a.View, x.View);
        device.Fp8.Multiply(a.View, b.View, c.View);
        device.Synchronize();
        device.AllocationCount.Should().Be(before);
    }

    /// <summary>A product of a shape and scales that only the portable kernels take.</summary>
    private static float[] Product(ComputeDevice device)
    {
        using DeviceMatrix<float> x = device.Upload<float>(RandomData.Normal(new Random(1), 5 * 100), 5, 100);
        using QuantizedDeviceMatrix<Float8E4M3> quantized = device.Fp8.Quantize(x, QuantizationScheme.Fp8Tensor);
        using DeviceMatrix<float> product = device.Fp8.Multiply<float>(quantized, quantized);
        return product.ToArray();
    }
}
