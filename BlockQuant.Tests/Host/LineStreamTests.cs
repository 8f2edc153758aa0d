using BlockQuant.Host;
using FsCheck;
using FsCheck.Fluent;

namespace BlockQuant.Tests.Host;

/// <summary>Output past the caches: every byte arrives, and none beside it.</summary>
internal sealed class LineStreamTests
{
    private const byte Untouched = 0xEE;

    [Test]
    public void Pieces_of_any_length_at_any_address_arrive_whole()
        => Prop.ForAll(
            ArbMap.Default.ArbFor<byte>(),
            ArbMap.Default.ArbFor<int[]>(),
            (offset, lengths) =>
            {
                int[] pieces = Array.ConvertAll(lengths, length => Math.Abs(length % (LineStream.MaxPiece + 1)));
                Written<Lanes128>(offset, pieces).Should().Equal(Expected(offset, pieces));
                Written<Lanes256>(offset, pieces).Should().Equal(Expected(offset, pieces));
                Written<Lanes512>(offset, pieces).Should().Equal(Expected(offset, pieces));
            }).Check(Properties.Cases(60));

    [Test]
    public void A_matrix_that_goes_past_the_caches_is_that_of_its_parts([Values] ElementFormat format, [Values] bool blocks)
    {
        // Columns that are no multiple of a line, and rows enough for every output to pass the caches as a whole, and none in parts.
        const int Rows = 2304;
        const int Columns = 7421;
        const int PartRows = 256;
        LineStream.IsWorthwhile(Rows * Columns).Should().BeTrue();
        LineStream.IsWorthwhile(PartRows * Columns * sizeof(float)).Should().BeFalse();
        var scheme = new QuantizationScheme(format, blocks ? ScaleGranularity.Block : ScaleGranularity.TokenGroup, new BlockShape(blocks ? 128 : 1, 128));
        (_, long scaleColumns) = scheme.ScaleShape(Rows, Columns);
        float[] x = Numbers(Rows * Columns);
        (byte[] codes, float[] scales, BFloat16[] values) = RoundTrip(x, Rows);
        for (int row = 0; row < Rows; row += PartRows)
        {
            (byte[] partCodes, float[] partScales, BFloat16[] partValues) = RoundTrip(x.AsSpan(row * Columns, PartRows * Columns), PartRows);
            codes.AsSpan(row * Columns, partCodes.Length).SequenceEqual(partCodes).Should().BeTrue($"codes of row {row}");
            values.AsSpan(row * Columns, partValues.Length).SequenceEqual(partValues).Should().BeTrue($"values of row {row}");
            long firstScale = row / (blocks ? 128 : 1) * scaleColumns;
            scales.AsSpan((int)firstScale, partScales.Length).SequenceEqual(partScales).Should().BeTrue($"scales of row {row}");
        }

        (byte[] Codes, float[] Scales, BFloat16[] Values) RoundTrip(ReadOnlySpan<float> source, int rows)
        {
            (long scaleRows, long columns) = scheme.ScaleShape(rows, Columns);
            var found = (Codes: new byte[source.Length], Scales: new float[scaleRows * columns], Values: new BFloat16[source.Length]);
            HostQuantization.Quantize(source, rows, Columns, scheme, found.Codes, found.Scales);
            HostQuantization.Dequantize<BFloat16>(found.Codes, found.Scales, rows, Columns, scheme, found.Values);
            return found;
        }
    }

    private static float[] Numbers(int count)
    {
        var x = new float[count];
        for (int i = 0; i < count; i++)
        {
            x[i] = (i * 2654435761L % 100_003 - 50_000) * 1e-3f;
        }

        return x;
    }

    private static byte[] Expected(byte offset, int[] pieces)
    {
        byte[] expected = Buffer(offset, pieces);
        for (int i = 0; i < pieces.Sum(); i++)
        {
            expected[offset + i] = (byte)i;
        }

        return expected;
    }

    private static unsafe byte[] Written<TLanes>(byte offset, int[] pieces)
        where TLanes : unmanaged, ILanes<TLanes>
    {
        byte[] output = GC.AllocateArray<byte>(Buffer(offset, pieces).Length, pinned: true);
        output.AsSpan().Fill(Untouched);
        using var stage = new HostWorkspace(LineStream.StageBytes);
        fixed (byte* start = output)
        {
            var stream = new LineStream<TLanes>(stage.Start, start + offset);
            int value = 0;
            foreach (int piece in pieces)
            {
                byte* place = stream.Place;
                for (int i = 0; i < piece; i++)
                {
                    place[i] = (byte)value++;
                }

                stream.Advance(piece);
            }

            stream.Close();
        }

        return output;
    }

    private static byte[] Buffer(byte offset, int[] pieces)
    {
        var buffer = new byte[offset + pieces.Sum() + 100];
        Array.Fill(buffer, Untouched);
        return buffer;
    }
}
