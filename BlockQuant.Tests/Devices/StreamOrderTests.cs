using BlockQuant.Scheduling;
using ILGPU.Runtime;

namespace BlockQuant.Tests.Devices;

/// <summary>
/// Kernels of a stream take what those ahead wrote and leave what those ahead still read, though on GPUs of compute capability 9.0 each may start before
/// the one ahead has ended: a sequence over memory that is written again and again gives the bits of one that waits after every operator.
/// </summary>
public sealed class StreamOrderTests
{
    private static readonly ComputeDevice Device = TestDevice.Shared;

    // Few tokens, whose products begin to read constant weights ahead of time, and many, whose quantizers fill the GPU.
    [Test]
    public void A_sequence_gives_the_bits_of_one_that_waits_after_every_operator([Values] bool manyTokens, [Values] bool constant)
    {
        // Only a GPU can break the order; elsewhere the sequence is run for its own sake, and short.
        bool isGpu = Device.Kind == DeviceKind.Cuda;
        int rows = isGpu && manyTokens ? 2048 : manyTokens ? 20 : 8, width = isGpu ? 4096 : 256, turns = isGpu ? 12 : 2;
        var random = new Random(5);
        using DeviceMatrix<BFloat16> x = Device.Upload<BFloat16>(new BFloat16[rows * width], rows, width);
        float[] weight = Array.ConvertAll(RandomData.Normal(random, width * width), value => 2 * value / MathF.Sqrt(width));
        using DeviceMatrix<float> w = Device.Upload<float>(weight, width, width);
        using QuantizedDeviceMatrix<Float8E4M3> weights = Device.Fp8.Quantize(w, QuantizationScheme.Fp8Block128);
        using QuantizedDeviceMatrix<sbyte> weights8 = Device.Int8.Quantize(w, QuantizationScheme.Int8Block128);
        using var codes = new QuantizedDeviceMatrix<Float8E4M3>(Device, rows, width, QuantizationScheme.Fp8TokenGroup128);
        using var codes8 = new QuantizedDeviceMatrix<sbyte>(Device, rows, width, QuantizationScheme.Int8TokenGroup128);
        using var active8 = new QuantizedDeviceMatrix<sbyte>(Device, rows, width, QuantizationScheme.Int8TokenGroup128);
        using var y = new DeviceMatrix<BFloat16>(Device, rows, width);
        using AcceleratorStream stream = Device.CreateStream();
        BFloat16[] values = Array.ConvertAll(RandomData.Normal(random, rows * width), BFloat16.FromSingle);
        Device.Synchronize();
        (weights.IsConstant, weights8.IsConstant) = (constant, constant);
        BFloat16[] expected = Result(() => Issue(waits: true));
        Array.Exists(expected, value => !float.IsFinite((float)value)).Should().BeFalse();
        expected.AsSpan().SequenceEqual(values).Should().BeFalse();

        BFloat16[] found = Result(() => Issue(waits: false));
        using Recording recording = Recording.Of(Device, stream, _ => Issue(waits: false));
        BFloat16[] replayed = Result(recording.Replay);

        found.AsSpan().SequenceEqual(expected).Should().BeTrue();
        replayed.AsSpan().SequenceEqual(expected).Should().BeTrue();

        BFloat16[] Result(Action issue)
        {
            x.CopyFrom(values);
            issue();
            stream.Synchronize();
            return x.ToArray();
        }

        void Issue(bool waits)
        {
            for (int turn = 0; turn < turns; turn++)
            {
                Next(() => Device.Fp8.Quantize(x.View, codes.View, stream));
                Next(() => Device.Fp8.Multiply(codes.View, weights.View, y.View, stream: stream));
                Next(() => Device.Int8.Quantize(y.View, codes8.View, RoundingMode.Nearest, stream));
                Next(() => Device.Int8.Gelu(codes8.View, active8.View, RoundingMode.Nearest, stream));
                Next(() => Device.Int8.Multiply(active8.View, weights8.View, y.View, stream: stream));
                Next(() => Device.Fp8.Quantize(y.View, codes.View, stream));
                Next(() => Device.Fp8.Dequantize(codes.View, x.View, stream));
            }

            void Next(Action call)
            {
                call();
                if (waits)
                {
                    stream.Synchronize();
                }
            }
        }
    }
}
