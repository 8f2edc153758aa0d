using BlockQuant.Kernels.Portable;
using BlockQuant.Kernels.Vector;
using BlockQuant.Reference;
using static BlockQuant.Kernels.Cuda.CudaDriver;

namespace BlockQuant.Benchmarks.Suites;

/// <summary>Quantizers, dequantizers and INT8 GELU, and beside each a plain copy that moves the same bytes.</summary>
internal static class QuantSuite
{
    private const int SampledRows = 256;

    public static IEnumerable<SuiteResult> Run(GpuTimer timer)
    {
        foreach (int rows in new[] { 4096, 32768 })
        {
            yield return Quantize<BFloat16Element, Float8Format>(timer, "fp8 activations bf16", rows, 7168, 1, QuantizationScheme.Fp8TokenGroup128);
            yield return Quantize<BFloat16Element, Int8TowardZeroFormat>(timer, "int8 activations bf16", rows, 7168, 1, QuantizationScheme.Int8TokenGroup128);
            yield return Dequantize<BFloat16Element, Float8Format>(timer, "fp8 dequantize groups bf16", rows, 7168, 1);
        }

        foreach (int rows in new[] { 4096, 12288 })
        {
            yield return Quantize<BFloat16Element, Float8Format>(timer, "fp8 weights bf16", rows, 4096, 128, QuantizationScheme.Fp8Block128);
            yield return Dequantize<BFloat16Element, Float8Format>(timer, "fp8 dequantize blocks bf16", rows, 4096, 128);
        }

        yield return Quantize<Float16Element, Float8Format>(timer, "fp8 activations f16", 4096, 7168, 1, QuantizationScheme.Fp8TokenGroup128);
        yield return Quantize<Float32Element, Float8Format>(timer, "fp8 activations f32", 4096, 7168, 1, QuantizationScheme.Fp8TokenGroup128);
        yield return Quantize<Float32Element, Int8NearestFormat>(timer, "int8 nearest activations f32", 4096, 7168, 1, QuantizationScheme.Int8TokenGroup128);
    }

    /// <summary>The INT8 weight quantizer and GELU over the shapes of the peers' table.</summary>
    public static IEnumerable<SuiteResult> Int8(GpuTimer timer)
    {
        foreach (int rows in new[] { 4096, 12288 })
        {
            yield return Quantize<BFloat16Element, Int8TowardZeroFormat>(timer, "int8 weights bf16", rows, 4096, 128, QuantizationScheme.Int8Block128);
        }

        yield return Gelu(timer, 4096, 12288);
        yield return Gelu(timer, 32768, 12288);
    }

    private static SuiteResult Quantize<TElement, TFormat>(GpuTimer timer, string name, int rows, int columns, int blockRows, QuantizationScheme scheme)
        where TElement : struct
        where TFormat : struct, ICodeFormat
    {
        bool single = typeof(TElement) == typeof(Float32Element);
        int elementBytes = single ? 4 : 2;
        long length = (long)rows * columns, scales = length / 128 / blockRows;
        VectorKernel kernel = blockRows == 1 ? VectorKernel.Of<TElement, TFormat>.QuantizeGroups : VectorKernel.Of<TElement, TFormat>.QuantizeBlocks;
        float[] values = Values(columns * SampledRows, typeof(TElement));
        values[columns + 5] = float.NaN;
        values[2 * columns + 200] = float.PositiveInfinity;
        values[3 * columns + 9] = -0f;
        return Call(timer, name, kernel, rows, columns, Bits(values, typeof(TElement)), elementBytes, 0, 1, scales, (codes, outputScales) =>
        {
            bool fp8 = typeof(TFormat) == typeof(Float8Format);
            RoundingMode rounding = typeof(TFormat) == typeof(Int8NearestFormat) ? RoundingMode.Nearest : RoundingMode.ReferenceCompatible;
            QuantizedMatrix expected = fp8
                ? ReferenceOperators.QuantizeFp8(values, SampledRows, columns, scheme)
                : ReferenceOperators.QuantizeInt8(values, SampledRows, columns, scheme, rounding);
            return $"{Different(expected.Codes.Span, codes)} codes and {Different(expected.Scales.Span, outputScales)} scales differ";
        });
    }

    private static SuiteResult Dequantize<TElement, TFormat>(GpuTimer timer, string name, int rows, int columns, int blockRows)
        where TElement : struct
        where TFormat : struct, ICodeFormat
    {
        byte[] codes = Codes(columns * SampledRows, fp8: true);
        long length = (long)rows * columns, scales = length / 128 / blockRows;
        VectorKernel kernel = blockRows == 1 ? VectorKernel.Of<TElement, TFormat>.DequantizeGroups : VectorKernel.Of<TElement, TFormat>.DequantizeBlocks;
        return Call(timer, name, kernel, rows, columns, codes, 1, scales, 2, 0, (bytes, _) =>
        {
            int wrong = 0;
            for (int i = 0; i < codes.Length; i++)
            {
                float scale = Scale((long)i / columns / blockRows * (columns / 128) + i % columns / 128);
                int found = bytes[2 * i] | bytes[2 * i + 1] << 8;
                float expected = Float8Codec.Decode(codes[i]) * scale;
                wrong += float.IsNaN(expected) ? (found & 0x7FFF) > 0x7F80 ? 0 : 1 : found == BFloat16Codec.Encode(expected) ? 0 : 1;
            }

            return $"{wrong} values differ";
        });
    }

    private static SuiteResult Gelu(GpuTimer timer, int rows, int columns)
    {
        byte[] codes = Codes(columns * SampledRows, fp8: false);
        long scales = (long)rows * columns / 128;
        return Call(timer, "int8 gelu", VectorKernel.Gelu<Int8TowardZeroFormat>.Groups, rows, columns, codes, 1, scales, 1, scales, (found, foundScales) =>
        {
            int wrong = 0, far = 0;
            double worstScale = 0;
            for (int group = 0; group < codes.Length / 128; group++)
            {
                if (float.IsNaN(Scale(group)))
                {
                    far += codes.Length * (float.IsNaN(foundScales[group]) && found.AsSpan(group * 128, 128).IndexOfAnyExcept((byte)0) < 0 ? 0 : 1);
                    continue;
                }

                double[] gelu = new double[128];
                for (int i = 0; i < 128; i++)
                {
                    double x = (sbyte)codes[group * 128 + i] * Scale(group);
                    gelu[i] = x * 0.5 * (1 + ErrorFunction.Erf((float)(x * Math.Sqrt(0.5))));
                }

                double scale = Math.Max(gelu.Max(Math.Abs) / 127, 1e-8);
                worstScale = Math.Max(worstScale, Math.Abs(foundScales[group] / scale - 1));
                for (int i = 0; i < 128; i++)
                {
                    int difference = Math.Abs((sbyte)found[group * 128 + i] - (int)Math.Truncate(gelu[i] / scale));
                    wrong += difference > 0 ? 1 : 0;
                    far += difference > 1 ? 1 : 0;
                }
            }

            return $"{wrong} of {codes.Length} codes differ, {far} by more than 1, scales by {worstScale:E1}";
        });
    }

    // The device's matrix repeats the sampled rows.
    private static unsafe SuiteResult Call(
        GpuTimer timer, string name, VectorKernel kernel, int rows, int columns, byte[] sample, int sourceBytes, long sourceScales, int outputBytes,
        long outputScales, Func<byte[], float[], string> check)
    {
        var operands = new RandomOperands();
        long length = (long)rows * columns, source = length * sourceBytes, output = length * outputBytes;
        long total = source + output + (sourceScales + outputScales) * 4;

        // Enough copies that the second level of cache holds none of the next.
        int copies = (int)Math.Clamp(400_000_000 / total + 1, 1, 8);
        var calls = new VectorOperands[copies];
        var plain = new VectorOperands[copies];
        long half = (total / 2 + 15) / 16 * 16;
        for (int i = 0; i < copies; i++)
        {
            IntPtr input = operands.Allocate(Math.Max(source, half));
            for (long offset = 0; offset < source; offset += sample.Length)
            {
                fixed (byte* bytes = sample)
                {
                    Check(cuMemcpyAsync((IntPtr)((long)input + offset), (IntPtr)bytes, (nuint)Math.Min(sample.Length, source - offset), timer.Stream));
                }
            }

            Check(cuStreamSynchronize(timer.Stream));
            IntPtr result = operands.Allocate(Math.Max(output, half));
            IntPtr scales = sourceScales == 0 ? 0 : operands.Upload(Enumerable.Range(0, (int)sourceScales).Select(g => Scale(g)).ToArray(), timer.Stream);
            IntPtr resultScales = outputScales == 0 ? 0 : operands.Allocate(outputScales * 4);
            calls[i] = new VectorOperands
            {
                Source = input,
                SourceVectors = source / 16,
                SourceScales = scales,
                SourceScaleCount = sourceScales,
                Output = result,
                OutputVectors = output / 16,
                OutputScales = resultScales,
                OutputScaleCount = outputScales,
                Columns = columns,
                Length = length,
            };
            plain[i] = new VectorOperands { Source = input, SourceVectors = half / 16, Output = result, OutputVectors = half / 16, Length = half };
        }

        VectorKernels kernels = VectorKernels.Current;
        Check(cuMemsetD8Async(calls[0].Output, 0x55, (nuint)output, timer.Stream));
        kernels.Launch(kernel, calls[0], timer.Stream);
        Check(cuStreamSynchronize(timer.Stream));
        long sampled = (long)SampledRows * columns;
        byte[] found = RandomOperands.Download<byte>(calls[0].Output, sampled * outputBytes, timer.Stream);
        float[] foundScales = outputScales == 0
            ? [] : RandomOperands.Download<float>(calls[0].OutputScales, outputScales * sampled / length, timer.Stream);
        string verdict = check(found, foundScales);
        void Launch(int turn) => kernels.Launch(kernel, calls[turn % copies], timer.Stream);
        void Copy(int turn) => kernels.Launch(VectorKernel.Copy, plain[turn % copies], timer.Stream);
        double spaced = timer.Spaced(Launch), spacedCopy = timer.Spaced(Copy);
        double sustained = timer.Sustained(Launch, 4 * copies, 60), sustainedCopy = timer.Sustained(Copy, 4 * copies, 60);
        operands.Free();
        string ratios = $"{spacedCopy / spaced:F3} of a copy of the same bytes spaced, {sustainedCopy / sustained:F3} sustained";
        return new SuiteResult("quant", rows, 0, columns, $"{name}: {verdict}; {ratios}")
        {
            SpacedMicroseconds = spaced,
            SustainedMicroseconds = sustained,
            Bytes = total,
        };
    }

    private static float Scale(long group) => group == 7 ? float.NaN : (0.5f + group * 2654435761L % 1000 / 1000f) / 40;

    private static byte[] Codes(int count, bool fp8)
    {
        var random = new Random(5);
        var codes = new byte[count];
        random.NextBytes(codes);
        for (int i = 0; i < count; i++)
        {
            codes[i] = fp8 && (codes[i] & 0x7F) == 0x7F ? (byte)0 : !fp8 && codes[i] == 0x80 ? (byte)0x81 : codes[i];
        }

        return codes;
    }

    private static float[] Values(int count, Type element)
    {
        var random = new Random(3);
        var values = new float[count];
        for (int i = 0; i < count; i++)
        {
            float normal = (float)(Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()));
            values[i] = element == typeof(BFloat16Element) ? BFloat16Codec.Decode(BFloat16Codec.Encode(normal))
                : element == typeof(Float16Element) ? HalfCodec.Decode(HalfCodec.Encode(normal)) : normal;
        }

        return values;
    }

    private static byte[] Bits(float[] values, Type element)
    {
        if (element == typeof(Float32Element))
        {
            return System.Runtime.InteropServices.MemoryMarshal.AsBytes<float>(values).ToArray();
        }

        var bits = new byte[values.Length * 2];
        for (int i = 0; i < values.Length; i++)
        {
            int code = element == typeof(BFloat16Element) ? BFloat16Codec.Encode(values[i]) : HalfCodec.Encode(values[i]);
            (bits[2 * i], bits[2 * i + 1]) = ((byte)code, (byte)(code >> 8));
        }

        return bits;
    }

    private static int Different<T>(ReadOnlySpan<T> expected, ReadOnlySpan<T> found)
        where T : unmanaged, IEquatable<T>
    {
        int different = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            different += expected[i].Equals(found[i]) ? 0 : 1;
        }

        return different;
    }
}
