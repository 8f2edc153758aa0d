using System.Runtime.CompilerServices;
using FsCheck;
using FsCheck.Fluent;
#if !EMULATOR
using ILGPU;
#endif
using ILGPU.Runtime;
#if !EMULATOR
using ILGPU.Runtime.CPU;
#endif

namespace BlockQuant.Tests.Hardening;

/// <summary>Devices and what lives on them, disposed in any order, any number of times and by any thread.</summary>
public sealed class DisposalTests
{
    private const int Items = DisposalItems.Count;

    /// <summary>Items in the order they are disposed; some twice, some never, the device anywhere.</summary>
    private static readonly Arbitrary<(int[] Order, bool OtherThread)> Orders = (
        from length in Gen.Choose(1, 2 * Items)
        from order in Gen.Choose(0, Items - 1).ArrayOf(length)
        from otherThread in Gen.Elements(false, true)
        select (order, otherThread)).ToArbitrary();

    [Test]
    public void Buffer_matrix_view_stream_and_device_go_in_every_order([Values] TestedDevice tested)
    {
        int[][] orders = Permutations([DisposalItems.Device, .. DisposalItems.Principal]).ToArray();
        int step = orders.Length / tested.Affords(orders.Length, orders.Length);
        foreach (int[] order in orders.Where((_, place) => place % step == 0))
        {
            using var items = new DisposalItems(tested.Open());
            foreach (int item in order)
            {
                items.Dispose(item);
                items.Check();
            }
        }
    }

    [Test]
    public void Any_items_go_in_any_order([Values] TestedDevice tested)
        => Prop.ForAll(Orders, orders =>
        {
            using var items = new DisposalItems(tested.Open());
            foreach (int item in orders.Order)
            {
                if (orders.OtherThread)
                {
                    Simultaneous.Run(1, _ => items.Dispose(item));
                }
                else
                {
                    items.Dispose(item);
                }

                items.Check();
            }
        }).Check(Properties.Cases(tested.Affords(60, 60)));

    [Test]
    public void A_finalizer_may_free_memory([Values] TestedDevice tested)
    {
        using ComputeDevice device = tested.Open();
        Abandon(device);
        GC.Collect();
        GC.WaitForPendingFinalizers();
        device.BufferCount.Should().Be(0);
        using DeviceBuffer<int> next = device.Upload<int>([1, 2]);
        next.ToArray().Should().Equal(1, 2);
    }

    [Test]
    public void A_disposed_device_says_so([Values] TestedDevice tested)
    {
        ComputeDevice device = tested.Open();
        DeviceMatrix<float> x = device.Upload<float>(new float[8], 2, 4);
        var q = new QuantizedDeviceMatrix<Float8E4M3>(device, 2, 4, QuantizationScheme.Fp8Token);
        MatrixView<float> view = x.View;
        QuantizedView<Float8E4M3> codes = q.View;
        device.Dispose();
        device.Dispose();
        Refuses(() => device.Allocate<int>(1), "Device");
        Refuses(() => device.CreateStream(), "Device");
        Refuses(device.Synchronize, "Device");
        FluentActions.Invoking(() => x.ToArray()).Should().Throw<ObjectDisposedException>();
        FluentActions.Invoking(() => device.Fp8.Quantize(view, codes)).Should().Throw<ObjectDisposedException>();
        Refuses(() => device.Fp8.Quantize(x, QuantizationScheme.Fp8Token), "Device");
        x.Dispose();
        q.Dispose();
    }

    [Test]
    public void A_disposed_operand_is_named([Values] TestedDevice tested)
    {
        using ComputeDevice device = tested.Open();
        using DeviceMatrix<float> x = device.Upload<float>(new float[8], 2, 4);
        using var q = new QuantizedDeviceMatrix<Float8E4M3>(device, 2, 4, QuantizationScheme.Fp8Token);
        MatrixView<float> view = x.View;
        x.Dispose();
        Refuses(() => device.Fp8.Quantize(view, q.View), "source");
        Refuses(() => x.View, "Buffer");
    }

    [Test]
    public void A_disposed_stream_is_refused([Values] TestedDevice tested)
    {
        using ComputeDevice device = tested.Open();
        using DeviceMatrix<float> x = device.Upload<float>(new float[8], 2, 4);
        using var q = new QuantizedDeviceMatrix<Float8E4M3>(device, 2, 4, QuantizationScheme.Fp8Token);
        AcceleratorStream stream = device.CreateStream();
        device.Fp8.Quantize(x.View, q.View, stream);
        stream.Synchronize();
        stream.Dispose();
        stream.Dispose();
        Refuses(() => device.Fp8.Quantize(x.View, q.View, stream), "Stream");
        Refuses(() => x.CopyFrom(new float[8], stream), "Stream");
        Refuses(() => x.CopyTo(new float[8], stream), "Stream");
        device.Fp8.Quantize(x.View, q.View);
        q.Codes.ToArray().Should().HaveCount(8);
    }

#if !EMULATOR
    [Test]
    public void An_accelerator_that_its_owner_disposed_takes_its_buffers_along()
    {
        using Context context = Context.Create(builder => builder.CPU(new CPUDevice(4, 2, 1)));
        Accelerator accelerator = context.CreateCPUAccelerator(0);
        using ComputeDevice device = ComputeDevice.FromAccelerator(accelerator);
        using DeviceBuffer<float> buffer = device.Upload<float>([1f, 2f]);
        accelerator.Dispose();
        Refuses(() => buffer.ToArray(), "Buffer");
        Refuses(() => device.Allocate<float>(1), "Device");
    }
#endif

    private static void Refuses(Action action, string name)
        => action.Should().Throw<ObjectDisposedException>().Which.ObjectName.Should().Contain(name);

    private static void Refuses<T>(Func<T> action, string name) => Refuses(() => { action(); }, name);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Abandon(ComputeDevice device)
    {
        for (int i = 0; i < 10; i++)
        {
            _ = new Abandoned(device.Upload<int>(new int[100]));
        }
    }

    private static IEnumerable<int[]> Permutations(int[] items)
        => items.Length == 0
            ? [[]]
            : items.SelectMany((item, i) => Permutations([.. items[..i], .. items[(i + 1)..]]).Select(rest => (int[])[item, .. rest]));

    /// <summary>Memory whose holder forgot it.</summary>
    private sealed class Abandoned(DeviceBuffer<int> buffer)
    {
        ~Abandoned() => buffer.Dispose();
    }
}
