using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using ILGPU.Runtime;

namespace BlockQuant.Tests.Hardening;

/// <summary>One device that many threads use at once.</summary>
public sealed class ConcurrencyTests
{
    private const int Threads = 8;

    [Test]
    public void Calls_of_many_threads_give_the_bits_of_calls_one_after_the_other([Values] TestedDevice tested, [Values] bool ownStreams)
    {
        using ComputeDevice device = tested.Open();
        int calls = tested.Affords(300, 160);
        string[] expected = Enumerable.Range(0, calls).Select(number => RandomCall.Run(device, number)).ToArray();
        var found = new ConcurrentDictionary<(int Thread, int Call), string>();
        Simultaneous.Run(Threads, thread =>
        {
            using AcceleratorStream? stream = ownStreams ? device.CreateStream() : null;

            // A third of all calls each, so that every call meets others, and threads begin at different ones.
            for (int i = 0; i < calls; i += 3)
            {
                int number = (i + thread * calls / Threads) % calls;
                found[(thread, number)] = RandomCall.Run(device, number, stream);
            }
        });
        found.Should().HaveCount(Threads * ((calls + 2) / 3));
        found.Where(result => result.Value != expected[result.Key.Call]).Should().BeEmpty();
        device.BufferCount.Should().Be(0);
    }

    [Test]
    public void Kernels_that_many_threads_ask_for_first_are_compiled_once([Values] TestedDevice tested)
    {
        int calls = tested.Affords(60, 60);
        using ComputeDevice serial = tested.Open();
        string[] expected = Enumerable.Range(0, calls).Select(number => RandomCall.Run(serial, number)).ToArray();
        using ComputeDevice device = tested.Open();
        var found = new string[Threads][];
        Simultaneous.Run(Threads, thread => found[thread] = Enumerable.Range(0, calls).Select(number => RandomCall.Run(device, number)).ToArray());
        found.Should().OnlyContain(results => results.SequenceEqual(expected));
        device.LoadCount.Should().Be(serial.LoadCount);
    }

    [Test]
    public void Operands_serve_many_threads([Values] TestedDevice tested)
    {
        // Large enough on the host engine for each call to be cut into pieces for all cores.
        (int rows, int columns, int depth) = tested == TestedDevice.Host ? (24, 700, 900) : (7, 20, 70);
        using ComputeDevice device = tested.Open();
        using var scope = new CallScope(device, new Random(1), null);
        DeviceMatrix<float> w = scope.Matrix<float>(columns, depth);
        QuantizedDeviceMatrix<Float8E4M3> a = scope.Codes<Float8E4M3>(rows, depth, QuantizationScheme.Fp8Token);
        (byte[] codes, float[] product) = Compute();
        int calls = tested.Affords(8, 8);
        Simultaneous.Run(Threads, _ =>
        {
            for (int i = 0; i < calls; i++)
            {
                (byte[] foundCodes, float[] foundProduct) = Compute();
                foundCodes.AsSpan().SequenceEqual(codes).Should().BeTrue();
                foundProduct.AsSpan().SequenceEqual(product).Should().BeTrue();
            }
        });

        (byte[] Codes, float[] Product) Compute()
        {
            using QuantizedDeviceMatrix<Float8E4M3> b = device.Fp8.Quantize(w, QuantizationScheme.Fp8Block128);
            using DeviceMatrix<float> c = device.Fp8.Multiply<float>(a, b);
            return (MemoryMarshal.AsBytes(b.Codes.ToArray().AsSpan()).ToArray(), c.ToArray());
        }
    }

    [Test]
    public void Memory_is_taken_and_freed_by_many_threads([Values] TestedDevice tested)
    {
        using ComputeDevice device = tested.Open();
        var handedOver = new ConcurrentBag<DeviceBuffer<int>>();
        Simultaneous.Run(Threads, thread =>
        {
            var random = new Random(thread);
            for (int i = 0; i < 300; i++)
            {
                int[] values = Enumerable.Repeat(thread * 1000 + i, random.Next(0, 200)).ToArray();
                DeviceBuffer<int> buffer = device.Upload<int>(values);
                buffer.ToArray().Should().Equal(values);
                handedOver.Add(buffer);
                if (random.Next(2) == 0 && handedOver.TryTake(out DeviceBuffer<int>? other))
                {
                    other.Dispose();
                }
            }
        });
        device.BufferCount.Should().Be(handedOver.Count);
        device.AllocatedBytes.Should().Be(handedOver.Sum(buffer => buffer.Length * sizeof(int)));
        foreach (DeviceBuffer<int> buffer in handedOver)
        {
            buffer.Dispose();
        }

        device.BufferCount.Should().Be(0);
        device.AllocatedBytes.Should().Be(0);
    }

    [Test]
    public void Memory_that_many_threads_free_is_freed_once([Values] TestedDevice tested)
    {
        using ComputeDevice device = tested.Open();
        using DeviceBuffer<float> other = device.Upload<float>([1f, 2f]);
        IDisposable[] items = Enumerable.Range(0, 1000).Select(i => (i % 4) switch
        {
            0 => (IDisposable)device.Allocate<int>(4),
            1 => new QuantizedDeviceMatrix<sbyte>(device, 4, 4, QuantizationScheme.Int8Block128),
            2 => new AdapterMap(device, [0, 1, -1], 2),
            _ => new ExpertRoutingTable(device, 3, 2, 2),
        }).ToArray();

        // All go through the items in the same order, so that they meet at many of them.
        Simultaneous.Run(Threads, _ => Array.ForEach(items, item => item.Dispose()));
        device.BufferCount.Should().Be(1);
        device.AllocatedBytes.Should().Be(2 * sizeof(float));
        other.ToArray().Should().Equal(1f, 2f);
    }
}
