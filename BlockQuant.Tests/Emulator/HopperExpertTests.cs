using BlockQuant.Kernels.Hopper;
using BlockQuant.Scheduling;

namespace BlockQuant.Tests.Emulator;

/// <summary>The grouped Hopper kernels' logic, run by the emulator: exact, as <see cref="HopperKernelTests"/> explains.</summary>
internal sealed class HopperExpertTests : EmulatorFixture
{
    // Experts without rows, with fewer than a tile's, with ragged ends and with several tiles, on blocks that take several tiles each.
    [TestCase(new[] { 5, 0, 70 }, 200, 272, OutputType.BFloat16)]
    [TestCase(new[] { 130, 1 }, 264, 128, OutputType.Half)]
    [TestCase(new[] { 0, 193, 3 }, 385, 144, OutputType.Single)]
    [TestCase(new[] { 128, 20, 0 }, 256, 640, OutputType.BFloat16)]
    public void Prefill_is_exact(int[] counts, int n, int k, OutputType output) =>
        IsExact(new HopperPlan(HopperKernelKind.GroupedPrefill, GroupedPrefillKernel.TileM, GroupedPrefillKernel.TileN, 1, 2), counts, n, k, output);

    // One, two, three and four pieces of 64 rows, and pieces that an expert's row tiles share unevenly.
    [TestCase(64, new[] { 5, 0, 70 }, 200, 272, OutputType.BFloat16)]
    [TestCase(128, new[] { 130, 1, 128 }, 136, 128, OutputType.Half)]
    [TestCase(192, new[] { 0, 150, 3 }, 129, 400, OutputType.Single)]
    [TestCase(256, new[] { 256, 20, 0, 300 }, 128, 144, OutputType.BFloat16)]
    [TestCase(256, new[] { 190, 90 }, 200, 640, OutputType.Single)]
    // The copy engine brings the scales, of pieces that end with an expert or with the rows.
    [TestCase(256, new[] { 190, 0, 90 }, 200, 1024, OutputType.BFloat16)]
    [TestCase(192, new[] { 40, 150 }, 264, 1536, OutputType.Half)]
    public void Ragged_is_exact(int tileM, int[] counts, int n, int k, OutputType output) =>
        IsExact(new HopperPlan(HopperKernelKind.GroupedPrefill, tileM, GroupedRaggedKernel.TileN, 1, 2), counts, n, k, output);

    [TestCase(16, new[] { 5, 0, 17, 1 }, 200, 272, OutputType.BFloat16, true)]
    [TestCase(16, new[] { 3, 16 }, 131, 144, OutputType.Single, false)]
    [TestCase(32, new[] { 33, 2 }, 130, 1296, OutputType.Half, true)]
    [TestCase(64, new[] { 0, 0, 9, 64 }, 128, 128, OutputType.Single, false)]
    public void Decode_is_exact(int tileM, int[] counts, int n, int k, OutputType output, bool scatters) =>
        IsExact(new HopperPlan(HopperKernelKind.GroupedDecode, tileM, 128, 1, 1), counts, n, k, output, scatters);

    // More than a warp looks through at once: the search for a row tile's expert takes two steps.
    [Test]
    public void Many_experts_are_told_apart()
    {
        int[] counts = Enumerable.Range(0, 70).Select(expert => expert % 5 == 3 ? 2 : 0).ToArray();

        IsExact(new HopperPlan(HopperKernelKind.GroupedDecode, 16, 128, 1, 1), counts, 16, 16, OutputType.Single);
    }

    [Test]
    public void Activation_scales_may_be_column_major()
    {
        IsExact(
            new HopperPlan(HopperKernelKind.GroupedPrefill, 128, GroupedRaggedKernel.TileN, 1, 2), [70, 40], 64, 272, OutputType.Single,
            columnMajorScales: true);
        IsExact(
            new HopperPlan(HopperKernelKind.GroupedDecode, 32, 128, 1, 1), [7, 40], 64, 272, OutputType.Single, columnMajorScales: true);
    }

    private void IsExact(HopperPlan plan, int[] counts, int n, int k, OutputType output, bool scatters = false, bool columnMajorScales = false)
    {
        int rows = counts.Sum(), experts = counts.Length, blocks = (k + 127) / 128, weightBlocks = (n + 127) / 128;
        var random = new Random(rows + n);
        byte[] activations = Codes(random, rows * k), weights = Codes(random, experts * n * k);
        float[] scales = Scales(random, rows * blocks), weightScales = Scales(random, experts * weightBlocks * blocks);
        int[] ends = counts.Select((_, expert) => counts[..(expert + 1)].Sum()).ToArray();
        int[] outputRows = Enumerable.Range(0, rows).ToArray();
        if (scatters)
            random.Shuffle(outputRows);
        var problem = new HopperProblem(plan, rows, n, k, output);
        var stored = Upload(new byte[rows * n * problem.ElementBytes]);
        float[] scalesAsGiven = columnMajorScales ? scales.Select((_, i) => scales[i % rows * blocks + i / rows]).ToArray() : scales;

        new EmulatedHopper(Accelerator, 2).Matmul(new ExpertMatmulCall
        {
            Plan = plan,
            Rows = rows,
            N = n,
            K = k,
            Experts = experts,
            Activations = Upload(activations).LoadEffectiveAddressAsPtr(),
            ActivationScales = Upload(scalesAsGiven).LoadEffectiveAddressAsPtr(),
            ScaleRowStride = columnMajorScales ? 1 : blocks,
            ScaleBlockStride = columnMajorScales ? rows : 1,
            Weights = Upload(weights).LoadEffectiveAddressAsPtr(),
            WeightScales = Upload(weightScales).LoadEffectiveAddressAsPtr(),
            Ends = Upload(ends).LoadEffectiveAddressAsPtr(),
            TileOffsets = Upload(ExpertTileMap.TileOffsets(ends, plan.TileM)).LoadEffectiveAddressAsPtr(),
            OutputRows = scatters ? Upload(outputRows).LoadEffectiveAddressAsPtr() : 0,
            Output = stored.LoadEffectiveAddressAsPtr(),
            OutputType = output,
        });

        float[] expected = new float[rows * n];
        for (int i = 0; i < expected.Length; i++)
        {
            int row = i / n, column = i % n, expert = Array.FindIndex(ends, end => row < end);
            float sum = 0;
            for (int block = 0; block < blocks; block++)
            {
                float product = 0;
                for (int at = block * 128; at < Math.Min(k, block * 128 + 128); at++)
                    product += Float8Codec.Decode(activations[row * k + at]) * Float8Codec.Decode(weights[(expert * n + column) * k + at]);
                float weightScale = weightScales[(expert * weightBlocks + column / 128) * blocks + block];
                sum = MathF.FusedMultiplyAdd(product, scales[row * blocks + block] * weightScale, sum);
            }
            expected[outputRows[row] * n + column] = problem.Rounded(sum);
        }
        problem.Decode(Download(stored)).Should().Equal(expected);
    }

    private static byte[] Codes(Random random, int count) =>
        Enumerable.Range(0, count).Select(_ => (byte)Float8Codec.EncodeSaturating(random.Next(-8, 9))).ToArray();

    private static float[] Scales(Random random, int count) =>
        Enumerable.Range(0, count).Select(_ => 0.01f + random.NextSingle() / 20).ToArray();
}
