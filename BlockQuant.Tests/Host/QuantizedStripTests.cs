using BlockQuant.Host;

namespace BlockQuant.Tests.Host;

/// <summary>Blocks of several rows that are quantized strip by strip past the caches: whatever the width of the vectors, the same codes and scales.</summary>
internal sealed class QuantizedStripTests
{
    private const byte Untouched = 0xEE;

    // Rows enough for every core to take several chunks and for codes to pass the caches, and columns that end within a block.
    private const int Rows = 2310;
    private const int Columns = 7300;

    [Test]
    public void Codes_at_any_address_are_those_of_narrower_vectors([Values(0, 1, 63)] int address)
    {
        Check(value => value, HostElementKind.Float32, HostFormatKind.Float8, address, 0, 0);
        Check(value => (Half)value, HostElementKind.Float16, HostFormatKind.Int8Nearest, address, 0, 0);
        Check(BFloat16.FromSingle, HostElementKind.BFloat16, HostFormatKind.Float8, address, 0, 0);
    }

    [TestCase(5, 0)]
    [TestCase(0, 40)]
    [TestCase(100, 127)]
    public void A_shard_that_begins_within_a_block_is_that_of_narrower_vectors(int rowOffset, int columnOffset)
        => Check(value => value, HostElementKind.Float32, HostFormatKind.Int8Truncated, 7, rowOffset, columnOffset);

    private static unsafe void Check<T>(Func<float, T> round, HostElementKind element, HostFormatKind format, int address, int rowOffset, int columnOffset)
        where T : unmanaged
    {
        LineStream.IsWorthwhile((long)Rows * Columns).Should().BeTrue();
        T[] x = Numbers(round);
        (long scaleRows, long scaleColumns) = ((Rows + rowOffset + 127) / 128, (Columns + columnOffset + 127) / 128);
        var grid = new ScaleGrid(Rows, Columns, 128, 128, scaleRows, scaleColumns, rowOffset, columnOffset);
        (byte[] codes, float[] scales) = Quantize(VectorWidth.Bits512);
        (byte[] expectedCodes, float[] expectedScales) = Quantize(VectorWidth.Bits128);
        codes.AsSpan().SequenceEqual(expectedCodes).Should().BeTrue();
        scales.Should().Equal(expectedScales);
        codes.AsSpan(0, address).IndexOfAnyExcept(Untouched).Should().Be(-1);
        codes.AsSpan(address + x.Length).IndexOfAnyExcept(Untouched).Should().Be(-1);

        (byte[] Codes, float[] Scales) Quantize(VectorWidth width)
        {
            var found = (Codes: GC.AllocateArray<byte>(x.Length + 128, pinned: true), Scales: new float[scaleRows * scaleColumns]);
            found.Codes.AsSpan().Fill(Untouched);
            fixed (T* source = x)
            fixed (byte* target = found.Codes)
            fixed (float* targetScales = found.Scales)
            {
                HostQuantizer.Of(element, format, width).Quantize((byte*)source, target + address, targetScales, grid);
            }

            return found;
        }
    }

    /// <summary>Numbers of either sign whose blocks differ, a few not finite.</summary>
    private static T[] Numbers<T>(Func<float, T> round)
    {
        var x = new T[Rows * Columns];
        for (int i = 0; i < x.Length; i++)
        {
            x[i] = round((i * 2654435761L % 100_003 - 50_000) * 1e-4f * (1 + i / 50_000 % 17));
        }

        x[Columns * 300 + 500] = round(float.NaN);
        x[Columns * 700 + 127] = round(float.PositiveInfinity);
        return x;
    }
}
