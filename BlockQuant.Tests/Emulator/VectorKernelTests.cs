using System.Runtime.InteropServices;
using BlockQuant.Kernels.Portable;
using BlockQuant.Kernels.Vector;
using BlockQuant.Reference;
using ILGPU;

namespace BlockQuant.Tests.Emulator;

/// <summary>The vector kernels' logic, run by the emulator with the CPU bodies of their intrinsics.</summary>
public sealed class VectorKernelTests : EmulatorFixture
{
    // Two groups of the grid, the second ragged.
    private const int Lanes = 32;
    private const int Rows = 10;
    private const int Columns = 128;

    [Test]
    public void Token_groups_of_bfloat16_are_quantized_as_by_the_reference() => QuantizesGroups<BFloat16Element>();

    [Test]
    public void Token_groups_of_float16_are_quantized_as_by_the_reference() => QuantizesGroups<Float16Element>();

    [Test]
    public void Token_groups_of_float32_are_quantized_as_by_the_reference() => QuantizesGroups<Float32Element>();

    [Test]
    public void Blocks_are_quantized_as_by_the_reference()
    {
        float[] values = Representable<BFloat16Element>(RandomData.Normal(new Random(2), 256 * 128));
        values[130 * 128 + 5] = float.PositiveInfinity;
        QuantizedMatrix expected = ReferenceOperators.QuantizeFp8(values, 256, 128, QuantizationScheme.Fp8Block128);
        Check(VectorKernel.Of<BFloat16Element, Kernels.Portable.Float8Format>.QuantizeBlocks, 256, 256, 128, Bits<BFloat16Element>(values), expected);

        values = RandomData.Normal(new Random(3), 128 * 256);
        expected = ReferenceOperators.QuantizeInt8(values, 128, 256, QuantizationScheme.Int8Block128);
        Check(VectorKernel.Of<Float32Element, Int8TowardZeroFormat>.QuantizeBlocks, 256, 128, 256, Bits<Float32Element>(values), expected);
    }

    [Test]
    public void Codes_are_dequantized_as_by_the_reference([Values] bool blocks)
    {
        const int rows = 128, columns = 256;
        float[] values = RandomData.Normal(new Random(4), rows * columns);
        QuantizedMatrix source = ReferenceOperators.QuantizeFp8(
            values, rows, columns, blocks ? QuantizationScheme.Fp8Block128 : QuantizationScheme.Fp8TokenGroup128);
        VectorKernel kernel = blocks
            ? VectorKernel.Of<BFloat16Element, Kernels.Portable.Float8Format>.DequantizeBlocks
            : VectorKernel.Of<BFloat16Element, Kernels.Portable.Float8Format>.DequantizeGroups;
        ArrayView<Vec4> output = Allocate<Vec4>(rows * columns / 8);
        Launch(kernel, 256, new VectorArguments
        {
            Source = Upload(MemoryMarshal.Cast<byte, Vec4>(source.Codes.Span).ToArray()),
            SourceScales = Upload(source.Scales.ToArray()),
            Output = output,
            Columns = columns,
            Length = rows * columns,
        });
        float[] scales = source.Scales.ToArray();
        byte[] codes = source.Codes.ToArray();
        ushort[] expected = Enumerable.Range(0, codes.Length)
            .Select(i => (ushort)BFloat16Codec.Encode(Float8Codec.Decode(codes[i]) * scales[blocks ? i % columns / 128 : i / 128]))
            .ToArray();
        Download(output.Cast<ushort>()).Should().Equal(expected);
    }

    [Test]
    public void A_copy_copies_every_byte()
    {
        byte[] bytes = new byte[16 * 1000];
        new Random(7).NextBytes(bytes);
        ArrayView<Vec4> output = Allocate<Vec4>(1000);
        Launch(VectorKernel.Copy, Lanes, new VectorArguments
        {
            Source = Upload(MemoryMarshal.Cast<byte, Vec4>(bytes.AsSpan()).ToArray()),
            Output = output,
            Length = bytes.Length,
        });
        Download(output.Cast<byte>()).Should().Equal(bytes);
    }

    private void QuantizesGroups<TElement>()
    {
        float[] values = Representable<TElement>(RandomData.Normal(new Random(1), Rows * Columns));
        values.AsSpan(0, 128).Clear();
        values[1] = -0f;
        values[128 + 77] = float.NaN;
        values[256 + 127] = float.NegativeInfinity;
        values[384] = -0f;
        for (int i = 512; i < 640; i++)
        {
            // Halves of the largest code's steps are ties.
            values[i] = Representable<TElement>([(i - 512) * 0.5f - 0.25f])[0];
        }

        Check(VectorKernel.Of<TElement, Kernels.Portable.Float8Format>.QuantizeGroups, Lanes, Rows, Columns, Bits<TElement>(values),
            ReferenceOperators.QuantizeFp8(values, Rows, Columns, QuantizationScheme.Fp8TokenGroup128));
        Check(VectorKernel.Of<TElement, Int8TowardZeroFormat>.QuantizeGroups, Lanes, Rows, Columns, Bits<TElement>(values),
            ReferenceOperators.QuantizeInt8(values, Rows, Columns, QuantizationScheme.Int8TokenGroup128));
        Check(VectorKernel.Of<TElement, Int8NearestFormat>.QuantizeGroups, Lanes, Rows, Columns, Bits<TElement>(values),
            ReferenceOperators.QuantizeInt8(values, Rows, Columns, QuantizationScheme.Int8TokenGroup128, RoundingMode.Nearest));
    }

    private void Check(VectorKernel kernel, int lanes, int rows, int columns, byte[] bits, QuantizedMatrix expected)
    {
        ArrayView<Vec4> codes = Allocate<Vec4>(rows * columns / 16);
        ArrayView<float> scales = Allocate<float>(expected.Scales.Length);
        Launch(kernel, lanes, new VectorArguments
        {
            Source = Upload(MemoryMarshal.Cast<byte, Vec4>(bits.AsSpan()).ToArray()),
            Output = codes,
            OutputScales = scales,
            Columns = columns,
            Length = (long)rows * columns,
        });
        Download(scales).Should().Equal(expected.Scales.ToArray(), kernel.Name);
        Download(codes.Cast<byte>()).Should().Equal(expected.Codes.ToArray(), kernel.Name);
    }

    private void Launch(VectorKernel kernel, int lanes, VectorArguments arguments)
    {
        long perGroup = (long)kernel.ElementsPerGroup / kernel.Lanes * lanes;
        Accelerator.Launch(kernel.Name, kernel.Method, new KernelConfig((int)((arguments.Length + perGroup - 1) / perGroup), lanes), arguments);
    }

    private static float[] Representable<TElement>(float[] values) => Array.ConvertAll(values, value =>
        typeof(TElement) == typeof(BFloat16Element) ? BFloat16Codec.Decode(BFloat16Codec.Encode(value))
        : typeof(TElement) == typeof(Float16Element) ? HalfCodec.Decode(HalfCodec.Encode(value))
        : value);

    private static byte[] Bits<TElement>(float[] values)
    {
        if (typeof(TElement) == typeof(Float32Element))
        {
            return MemoryMarshal.AsBytes<float>(values).ToArray();
        }

        ushort[] bits = Array.ConvertAll(
            values, value => (ushort)(typeof(TElement) == typeof(BFloat16Element) ? BFloat16Codec.Encode(value) : HalfCodec.Encode(value)));
        return MemoryMarshal.AsBytes<ushort>(bits).ToArray();
    }
}
