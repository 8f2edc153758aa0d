using BlockQuant.Host;
using BlockQuant.Reference;

namespace BlockQuant.Tests.Host;

/// <summary>Groups of 128 float32 and binary16, which registers hold where vectors are widest: the reference's codes and scales, bit for bit.</summary>
internal sealed class DividedGroupsTests
{
    private const int Group = 128;
    private const int Around = 64;
    private const byte Untouched = 0xEE;

    [Test]
    public void Halves_between_codes_and_their_neighbours_round_as_the_reference_does()
    {
        // A largest magnitude of 448 gives the scale 1; powers of two move it, and other factors move what is halfway.
        IEnumerable<float> values = Enumerable.Range(0, 126).Select(code => (Float8Codec.Decode(code) + Float8Codec.Decode(code + 1)) / 2);
        float[] around = values.SelectMany(half => new[] { half, -half, MathF.BitIncrement(half), MathF.BitDecrement(-half), MathF.BitDecrement(half) }).ToArray();
        foreach (float factor in new[] { 1f, 3f, 1.7f, 1e-3f, 1e30f, 1e-7f })
        {
            float[] x = around.Chunk(Group - 1).SelectMany(part => part.Append(448f).Concat(new float[Group - 1 - part.Length])).Select(value => value * factor).ToArray();
            foreach (QuantizationScheme scheme in new[] { QuantizationScheme.Fp8TokenGroup128, QuantizationScheme.Fp8Block128 })
            {
                QuantizedMatrix expected = ReferenceOperators.QuantizeFp8(x, 1, x.Length, scheme);
                var found = (Codes: new byte[x.Length], Scales: new float[expected.Scales.Length]);
                HostQuantization.Quantize<float>(x, 1, x.Length, scheme, found.Codes, found.Scales);
                found.Codes.Should().Equal(expected.Codes.ToArray(), $"factor {factor}");
                found.Scales.Should().Equal(expected.Scales.ToArray(), $"factor {factor}");
            }
        }
    }

    [Test]
    public void Lines_past_the_caches_are_those_of_narrower_vectors_at_any_address([Values(0, 1, 63)] int address, [Values(7296, 7300)] int columns)
    {
        Check(value => value, HostElementKind.Float32, HostFormatKind.Float8, address, columns);
        Check(value => (Half)value, HostElementKind.Float16, HostFormatKind.Int8Nearest, address, columns);
        Check(BFloat16.FromSingle, HostElementKind.BFloat16, HostFormatKind.Float8, address, columns);
    }

    private static unsafe void Check<T>(Func<float, T> round, HostElementKind element, HostFormatKind format, int address, int columns)
        where T : unmanaged
    {
        const int Rows = 2310;
        LineStream.IsWorthwhile((long)Rows * columns).Should().BeTrue();
        var x = new T[Rows * columns];
        for (int i = 0; i < x.Length; i++)
        {
            x[i] = round((i * 2654435761L % 100_003 - 50_000) * 1e-4f * (1 + i / 5_000 % 17));
        }

        x[columns * 300 + 500] = round(float.NaN);
        x[columns * 700 + Group - 1] = round(float.NegativeInfinity);
        x.AsSpan(columns * 900, 3 * Group).Clear();
        (long scaleRows, long scaleColumns) = QuantizationScheme.Fp8TokenGroup128.ScaleShape(Rows, columns);
        var grid = new ScaleGrid(Rows, columns, 1, Group, scaleRows, scaleColumns);
        (byte[] codes, float[] scales) = Quantize(VectorWidth.Bits512);
        (byte[] expectedCodes, float[] expectedScales) = Quantize(VectorWidth.Bits128);
        codes.AsSpan().SequenceEqual(expectedCodes).Should().BeTrue();
        scales.AsSpan().SequenceEqual(expectedScales).Should().BeTrue();

        (byte[] Codes, float[] Scales) Quantize(VectorWidth width)
        {
            var found = (Codes: GC.AllocateArray<byte>(x.Length + 3 * Around, pinned: true), Scales: new float[scaleRows * scaleColumns]);
            found.Codes.AsSpan().Fill(Untouched);
            fixed (T* source = x)
            fixed (byte* target = found.Codes)
            fixed (float* targetScales = found.Scales)
            {
                HostQuantizer.Of(element, format, width).Quantize((byte*)source, target + Around + address, targetScales, grid);
            }

            return found;
        }
    }
}
