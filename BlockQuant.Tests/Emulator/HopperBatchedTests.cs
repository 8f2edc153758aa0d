using System.Runtime.InteropServices;
using BlockQuant.Emulator;
using BlockQuant.Kernels.Hopper;
using BlockQuant.Kernels.Portable;
using BlockQuant.Kernels.Vector;
using BlockQuant.Reference;
using BlockQuant.Scheduling;
using ILGPU;

namespace BlockQuant.Tests.Emulator;

/// <summary>
/// The path of at most 32 rows in any order, run by the emulator: its order is that of the kernel that sorts more, its products are exact.
/// </summary>
internal sealed class HopperBatchedTests : EmulatorFixture
{
    private const int Poison = 0x7E;

    private static readonly HopperPlan Plan = HopperExpertScheduler.Batched(1, 4, 128);

    private static IEnumerable<TestCaseData> Batches
    {
        get
        {
            yield return Case("one row", [3], 4);
            yield return Case("all of one expert", [.. Enumerable.Repeat(2, 32)], 4);
            yield return Case("a tile of one expert", [.. Enumerable.Repeat(0, 8)], 1);
            yield return Case("a row more than a tile", [.. Enumerable.Repeat(1, 9)], 2);
            yield return Case("all distinct", [.. Enumerable.Range(0, 32).Select(i => i * 13 % 32)], 32);
            yield return Case("the most experts", [1023, 0, 1023, 512, 1022], 1024);
            yield return Case("no expert at all", [-1, 5, int.MinValue, int.MaxValue, 1024], 5);
            for (int wrong = 0; wrong < 7; wrong++)
            {
                int[] ids = [1, 2, 1, 0, 2, 1, 1];
                ids[wrong] = wrong % 2 == 0 ? 3 : -1;
                yield return Case($"row {wrong} without an expert", ids, 3);
            }
        }
    }

    private static IEnumerable<TestCaseData> BatchesOfEverySize
    {
        get
        {
            var random = new Random(1);
            return Enumerable.Range(1, BatchedRows.MaxRows).Select(rows => Case(
                $"{rows} rows at random", [.. Enumerable.Range(0, rows).Select(_ => random.Next(-1, 5))], 4));
        }
    }

    [TestCaseSource(nameof(Batches)), TestCaseSource(nameof(BatchesOfEverySize))]
    public void Rows_lie_and_are_cut_into_tiles_as_the_sorting_kernel_does_it(int[] ids, int experts)
    {
        var (ends, tileOffsets, _) = Sorted(ids, experts);
        int[] expected = [.. Enumerable.Range(0, ids.Length).Where(row => IsExpert(ids[row], experts)).OrderBy(row => ids[row])];

        var found = new OrderArguments
        {
            Ids = Upload(ids),
            Experts = experts,
            Places = Upload(new int[32]),
            Rows = Upload(new int[32]),
            Tiles = Upload(new int[4 * 64 + 2]),
        };
        Accelerator.Launch("order", Order, new KernelConfig(1, 32), found);

        int[] places = Download(found.Places)[..ids.Length], tiles = Download(found.Tiles);
        places.Should().BeEquivalentTo(Enumerable.Range(0, ids.Length), "every row has a place of its own");
        Download(found.Rows)[..expected.Length].Should().Equal(expected, "an expert's rows keep their order, and those of none come last");
        expected.Select(row => places[row]).Should().Equal(Enumerable.Range(0, expected.Length));
        tiles[0].Should().Be(tileOffsets[experts]);
        int firstWrong = Array.FindIndex(ids, id => !IsExpert(id, experts));
        tiles[1].Should().Be(firstWrong < 0 ? 32 : firstWrong);

        // Tiles of both columns, each with the rows that the sorting kernel's offsets give it.
        var expectedTiles = new List<(int Expert, int Row, int End, int Column)>();
        for (int expert = 0; expert < experts; expert++)
        {
            for (int row = expert == 0 ? 0 : ends[expert - 1]; row < ends[expert]; row += BatchedRows.TileM)
            {
                int end = Math.Min(row + BatchedRows.TileM, ends[expert]);
                expectedTiles.AddRange([(expert, row, end, 0), (expert, row, end, 128)]);
            }
        }
        Enumerable.Range(0, 2 * tiles[0]).Select(i => (tiles[4 * i + 2], tiles[4 * i + 3], tiles[4 * i + 4], tiles[4 * i + 5]))
            .Should().BeEquivalentTo(expectedTiles);
    }

    [TestCaseSource(nameof(Batches))]
    public void Rows_are_quantized_in_order_and_wrong_ids_told_as_the_sorting_kernel_tells_them(int[] ids, int experts)
    {
        const int k = 128;
        int rows = ids.Length;
        float[] values = RandomData.Normal(new Random(rows), rows * k);
        QuantizedMatrix expected = ReferenceOperators.QuantizeFp8(values, rows, k, QuantizationScheme.Fp8TokenGroup128);
        ArrayView<int> status = Upload(new int[DeviceStatus.Length]);

        var (codes, scales) = Quantize(nameof(BatchedQuantizeKernel.Float32), MemoryMarshal.AsBytes<float>(values), rows, k, ids, experts, status);

        int[] order = [.. Enumerable.Range(0, rows).OrderBy(row => IsExpert(ids[row], experts) ? ids[row] : int.MaxValue)];
        Download(scales).Should().Equal(order.Select(row => expected.Scales.Span[row]));
        Download(codes).Should().Equal(order.SelectMany(row => expected.Codes.Span.Slice(row * k, k).ToArray()));
        Download(status).Should().Equal(Sorted(ids, experts).Status);
    }

    [Test]
    public void Rows_longer_than_a_block_are_quantized_whole([Values] bool half)
    {
        const int rows = 3, k = BatchedQuantizeKernel.Columns + 128;
        ushort[] bits = Array.ConvertAll(
            RandomData.Normal(new Random(2), rows * k), value => (ushort)(half ? HalfCodec.Encode(value) : BFloat16Codec.Encode(value)));
        float[] values = Array.ConvertAll(bits, value => half ? HalfCodec.Decode(value) : BFloat16Codec.Decode(value));
        QuantizedMatrix expected = ReferenceOperators.QuantizeFp8(values, rows, k, QuantizationScheme.Fp8TokenGroup128);
        string kernel = half ? nameof(BatchedQuantizeKernel.Float16) : nameof(BatchedQuantizeKernel.BFloat16);

        var (codes, scales) = Quantize(kernel, MemoryMarshal.AsBytes<ushort>(bits), rows, k, [1, 0, 0], 2, default);

        int[] order = [1, 2, 0];
        Download(scales).Should().Equal(order.SelectMany(row => expected.Scales.Span.Slice(row * (k / 128), k / 128).ToArray()));
        Download(codes).Should().Equal(order.SelectMany(row => expected.Codes.Span.Slice(row * k, k).ToArray()));
    }

    [Test]
    public void A_status_that_tells_of_a_fault_already_is_left_alone()
    {
        ArrayView<int> status = Upload(5, 4, 3, 2);
        Quantize(nameof(BatchedQuantizeKernel.Float32), new byte[4 * 128], 1, 128, [9], 2, status);
        Download(status).Should().Equal(5, 4, 3, 2);
    }

    // Several tiles a block, tiles of several rows, ragged columns, rows without an expert, and more stages than the ring has.
    [TestCase(new[] { 2, 0, 2, -1, 1, 2 }, 3, 200, 256, OutputType.BFloat16)]
    [TestCase(new[] { 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1 }, 2, 131, 128, OutputType.Single)]
    [TestCase(new[] { 3, 1, 0 }, 4, 128, 1920, OutputType.Half)]
    [TestCase(new[] { 7, -7 }, 7, 130, 128, OutputType.Single)]
    public void Products_are_exact_and_rows_without_an_expert_left_alone(int[] ids, int experts, int n, int k, OutputType output)
    {
        int rows = ids.Length, blocks = k / 128, weightBlocks = (n + 127) / 128;
        var random = new Random(rows + n);
        int[] values = [.. Enumerable.Range(0, rows * k).Select(_ => random.Next(-8, 9))];
        byte[] weights = [.. Enumerable.Range(0, experts * n * k).Select(_ => (byte)Float8Codec.EncodeSaturating(random.Next(-8, 9)))];
        float[] weightScales = [.. Enumerable.Range(0, experts * weightBlocks * blocks).Select(_ => 0.01f + random.NextSingle() / 20)];
        float[] activations = Array.ConvertAll(values, value => (float)value);
        QuantizedMatrix quantized = ReferenceOperators.QuantizeFp8(activations, rows, k, QuantizationScheme.Fp8TokenGroup128);
        var problem = new HopperProblem(Plan, rows, n, k, output);
        ArrayView<byte> stored = Upload(Enumerable.Repeat((byte)Poison, rows * n * problem.ElementBytes).ToArray());
        var (codes, scales) = Quantize(
            nameof(BatchedQuantizeKernel.Float32), MemoryMarshal.AsBytes<float>(activations), rows, k, ids, experts, default);

        new EmulatedHopper(Accelerator, 2).Matmul(new ExpertMatmulCall
        {
            Plan = Plan,
            Rows = rows,
            N = n,
            K = k,
            Experts = experts,
            Activations = codes.LoadEffectiveAddressAsPtr(),
            ActivationScales = scales.LoadEffectiveAddressAsPtr(),
            ScaleRowStride = blocks,
            ScaleBlockStride = 1,
            Weights = Upload(weights).LoadEffectiveAddressAsPtr(),
            WeightScales = Upload(weightScales).LoadEffectiveAddressAsPtr(),
            Ids = Upload(ids).LoadEffectiveAddressAsPtr(),
            Output = stored.LoadEffectiveAddressAsPtr(),
            OutputType = output,
        });

        float untouched = problem.Decode(Enumerable.Repeat((byte)Poison, problem.ElementBytes).ToArray())[0];
        float[] expected = new float[rows * n];
        for (int i = 0; i < expected.Length; i++)
        {
            int row = i / n, column = i % n, expert = ids[row];
            float sum = 0;
            for (int block = 0; block < blocks && IsExpert(expert, experts); block++)
            {
                float product = 0;
                for (int at = block * 128; at < block * 128 + 128; at++)
                    product += Float8Codec.Decode(quantized.Codes.Span[row * k + at]) * Float8Codec.Decode(weights[(expert * n + column) * k + at]);
                float weightScale = weightScales[(expert * weightBlocks + column / 128) * blocks + block];
                sum = MathF.FusedMultiplyAdd(product, quantized.Scales.Span[row * blocks + block] * weightScale, sum);
            }
            expected[i] = IsExpert(expert, experts) ? problem.Rounded(sum) : untouched;
        }
        problem.Decode(Download(stored)).Should().Equal(expected);
    }

    private static TestCaseData Case(string name, int[] ids, int experts) => new TestCaseData(ids, experts).SetArgDisplayNames(name);

    private static bool IsExpert(int id, int experts) => id >= 0 && id < experts;

    private static void Order(OrderArguments a)
    {
        int lane = Group.IdxX, rows = (int)a.Ids.Length;
        var order = BatchedRows.Of(a.Ids[Math.Min(lane, rows - 1)], rows, a.Experts);
        a.Places[lane] = order.Place;
        int tiles = order.Tiles();
        if (lane == 0)
            a.Tiles[0] = tiles;
        int wrong = order.FirstWrong();
        if (lane == 0)
            a.Tiles[1] = wrong;
        for (int place = 0; place < rows; place++)
        {
            int row = order.RowAt(place);
            if (lane == 0)
                a.Rows[place] = row;
        }
        for (int i = 0; i < 2 * tiles; i++)
        {
            ExpertTile tile = order.Tile(i, tiles, 128);
            if (lane != 0)
                continue;
            a.Tiles[4 * i + 2] = tile.Expert;
            a.Tiles[4 * i + 3] = tile.Row;
            a.Tiles[4 * i + 4] = tile.End;
            a.Tiles[4 * i + 5] = tile.Column;
        }
    }

    private (int[] Ends, int[] TileOffsets, int[] Status) Sorted(int[] ids, int experts)
    {
        var arguments = new ExpertPlacesArguments
        {
            Ids = Upload(ids),
            Places = Allocate<int>(ids.Length),
            Rows = Allocate<int>(ids.Length),
            Ends = Allocate<int>(experts),
            TileOffsets = Allocate<int>(experts + 1),
            Status = Upload(new int[DeviceStatus.Length]),
            Experts = experts,
            TileM = BatchedRows.TileM,
        };
        Accelerator.Launch("places", ExpertPlacesKernel.Run, new KernelConfig(1, 32), arguments);
        return (Download(arguments.Ends), Download(arguments.TileOffsets), Download(arguments.Status));
    }

    private (ArrayView<byte> Codes, ArrayView<float> Scales) Quantize(
        string kernel, ReadOnlySpan<byte> values, int rows, int k, int[] ids, int experts, ArrayView<int> status)
    {
        ArrayView<Vec4> codes = Allocate<Vec4>(rows * k / 16);
        ArrayView<float> scales = Allocate<float>(rows * k / 128);
        var arguments = new BatchedQuantizeArguments
        {
            Matrix = new VectorArguments
            {
                Source = Upload(MemoryMarshal.Cast<byte, Vec4>(values).ToArray()),
                Output = codes,
                OutputScales = scales,
                Columns = k,
                Length = (long)rows * k,
            },
            Ids = Upload(ids),
            Status = status,
            Experts = experts,
        };
        new EmulatedHopper(Accelerator, 2).Launch(
            HopperKernel.All.Single(one => one.Type == typeof(BatchedQuantizeKernel) && one.Method == kernel),
            BatchedQuantizeKernel.Blocks(rows, k), 1, AddressSpace.None, arguments);
        return (codes.Cast<byte>(), scales);
    }

    private struct OrderArguments
    {
        public ArrayView<int> Ids, Places, Rows, Tiles;
        public int Experts;
    }
}
