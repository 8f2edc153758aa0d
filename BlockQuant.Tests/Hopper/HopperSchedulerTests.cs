using BlockQuant.Scheduling;

namespace BlockQuant.Tests.Hopper;

internal sealed class HopperSchedulerTests
{
    private const int H200 = 132;

    // Measured on one H200: the fastest of every plan, launched back to back.
    [TestCase(8, 4096, 7168, HopperKernelKind.Decode, 8, 64, 2)]
    [TestCase(8, 2112, 7168, HopperKernelKind.Decode, 8, 64, 2)]
    [TestCase(8, 7168, 16384, HopperKernelKind.Decode, 8, 128, 2)]
    [TestCase(16, 7168, 2048, HopperKernelKind.Decode, 16, 64, 1)]
    [TestCase(16, 24576, 1536, HopperKernelKind.Decode, 16, 64, 1)]
    [TestCase(16, 4096, 4096, HopperKernelKind.Decode, 16, 64, 2)]
    [TestCase(32, 2112, 7168, HopperKernelKind.Decode, 32, 64, 2)]
    [TestCase(32, 4096, 7168, HopperKernelKind.Decode, 32, 64, 2)]
    [TestCase(32, 7168, 2048, HopperKernelKind.Decode, 32, 64, 1)]
    [TestCase(32, 24576, 1536, HopperKernelKind.Decode, 32, 128, 1)]
    [TestCase(64, 4096, 7168, HopperKernelKind.Decode, 64, 64, 2)]
    [TestCase(64, 4096, 4096, HopperKernelKind.Decode, 64, 64, 2)]
    [TestCase(64, 2112, 7168, HopperKernelKind.Decode, 64, 64, 2)]
    [TestCase(64, 24576, 1536, HopperKernelKind.Decode, 64, 128, 1)]
    [TestCase(64, 7168, 16384, HopperKernelKind.Decode, 64, 128, 2)]
    [TestCase(128, 2112, 7168, HopperKernelKind.Decode, 64, 64, 2)]
    [TestCase(64, 7168, 2048, HopperKernelKind.Decode, 64, 64, 1)]
    [TestCase(128, 7168, 2048, HopperKernelKind.Prefill, 128, 64, 1)]
    [TestCase(128, 4096, 7168, HopperKernelKind.Prefill, 128, 32, 1)]
    [TestCase(128, 24576, 1536, HopperKernelKind.Prefill, 128, 192, 1)]
    [TestCase(128, 7168, 16384, HopperKernelKind.Prefill, 128, 64, 1)]
    [TestCase(128, 4096, 4096, HopperKernelKind.Prefill, 128, 32, 1)]
    [TestCase(256, 4096, 7168, HopperKernelKind.Prefill, 128, 64, 1)]
    [TestCase(256, 2112, 7168, HopperKernelKind.Prefill, 128, 32, 1)]
    [TestCase(256, 7168, 2048, HopperKernelKind.Prefill, 128, 128, 1)]
    [TestCase(512, 4096, 7168, HopperKernelKind.Prefill, 128, 128, 1)]
    [TestCase(1024, 2112, 7168, HopperKernelKind.Prefill, 128, 144, 1)]
    [TestCase(4096, 2112, 7168, HopperKernelKind.Prefill, 128, 192, 1)]
    [TestCase(4096, 7168, 16384, HopperKernelKind.Prefill, 128, 256, 1)]
    public void Plan_is_the_measured_best(int m, int n, int k, HopperKernelKind kind, int tileM, int tileN, int split)
    {
        var plan = HopperScheduler.Plan(m, n, k, H200);

        (plan.Kind, plan.TileM, plan.TileN, plan.SplitK).Should().Be((kind, tileM, tileN, split));
    }

    // Measured on one H200, stores overlapped or not.
    [TestCase(4096, 24576, 1536, true)]
    [TestCase(4096, 7168, 2048, true)]
    [TestCase(4096, 4096, 4096, true)]
    [TestCase(4096, 4096, 7168, false)]
    [TestCase(1024, 24576, 1536, true)]
    [TestCase(1024, 7168, 2048, false)]
    [TestCase(1024, 4096, 4096, false)]
    public void Stores_overlap_where_tiles_are_shallow_and_many(int m, int n, int k, bool overlap)
    {
        HopperScheduler.Plan(m, n, k, H200).OverlapStores.Should().Be(overlap);
    }

    // Measured on one H200, blocks alone or in pairs.
    [TestCase(4096, 7168, 16384, true)]
    [TestCase(4096, 24576, 1536, true)]
    [TestCase(4096, 4096, 4096, true)]
    [TestCase(4000, 7168, 16384, true)]
    [TestCase(3968, 7168, 16384, false)]
    [TestCase(4096, 2112, 7168, false)]
    [TestCase(1024, 7168, 16384, false)]
    [TestCase(1024, 4096, 7168, false)]
    public void Blocks_pair_where_wide_tiles_are_many_and_their_rows_even(int m, int n, int k, bool pairs)
    {
        HopperScheduler.Plan(m, n, k, H200).Pairs.Should().Be(pairs);
    }

    // A stored plan is asked this before it is taken.
    [TestCase(256, 16, true)]
    [TestCase(256, 3, false)]
    [TestCase(192, 16, false)]
    public void Pairs_take_the_widest_tile_and_even_bands(int tileN, int groupM, bool hasKernel)
    {
        HopperScheduler.HasKernel(new HopperPlan(HopperKernelKind.Prefill, 128, tileN, 1, groupM, Pairs: true)).Should().Be(hasKernel);
    }

    [TestCase(64, 64, 4, true)]
    [TestCase(8, 64, 8, false)]
    [TestCase(128, 64, 1, false)]
    [TestCase(8, 32, 1, false)]
    [TestCase(128, 128, 8, true)]
    public void Decode_has_kernels_of_64_weight_rows_up_to_64_tokens_and_4_parts(int tileM, int tileN, int split, bool hasKernel)
    {
        HopperScheduler.HasKernel(new HopperPlan(HopperKernelKind.Decode, tileM, tileN, split, 1)).Should().Be(hasKernel);
    }

    // Measured on one H200, the ring as deep as shared memory or a half or a third of that.
    [TestCase(16, 7168, 16384, 1)]
    [TestCase(16, 4096, 7168, 2)]
    [TestCase(16, 24576, 1536, 3)]
    [TestCase(32, 24576, 1536, 2)]
    [TestCase(16, 4096, 4096, 2)]
    [TestCase(64, 4096, 7168, 1)]
    [TestCase(64, 4096, 4096, 1)]
    [TestCase(64, 7168, 2048, 1)]
    [TestCase(32, 2112, 7168, 2)]
    [TestCase(64, 7168, 16384, 1)]
    [TestCase(128, 2112, 7168, 1)]
    public void Blocks_share_a_multiprocessor_where_K_is_shallow_or_they_are_many(int m, int n, int k, int residents)
    {
        HopperScheduler.Residents(HopperScheduler.Plan(m, n, k, H200), m, n, k, H200).Should().Be(residents);
    }

    // Measured on one H200, of 128 weight rows, as INT8 runs.
    [TestCase(16, 4096, 7168, 1)]
    [TestCase(16, 4096, 4096, 2)]
    [TestCase(32, 4096, 4096, 1)]
    [TestCase(64, 7168, 2048, 2)]
    public void Blocks_of_128_weight_rows_have_a_multiprocessor_to_themselves_earlier(int m, int n, int k, int residents)
    {
        HopperScheduler.Residents(HopperScheduler.Plan(m, n, k, H200, narrow: false), m, n, k, H200).Should().Be(residents);
    }

    // INT8 has no kernels of 64 weight rows.
    [TestCase(16, 7168, 2048, 16, 1)]
    [TestCase(16, 4096, 7168, 16, 2)]
    [TestCase(64, 2112, 7168, 64, 4)]
    public void Other_products_take_the_best_of_128_weight_rows(int m, int n, int k, int tileM, int split)
    {
        HopperScheduler.Plan(m, n, k, H200, narrow: false).Should().Be(new HopperPlan(HopperKernelKind.Decode, tileM, 128, split, 1));
        Int8Scheduler.Fastest(m, n, k, H200, quantizes: false).Should().Be(new HopperPlan(HopperKernelKind.Decode, tileM, 128, split, 1));
    }

    // Measured on one H200: 112 and 128 tiles, then more than there are multiprocessors.
    [TestCase(64, 128, 7168, 2048, false)]
    [TestCase(192, 128, 24576, 1536, false)]
    [TestCase(64, 128, 7168, 4096, true)]
    [TestCase(32, 128, 4096, 4096, true)]
    [TestCase(64, 256, 7168, 2048, true)]
    [TestCase(256, 4096, 24576, 1536, true)]
    public void The_copy_engine_brings_scales_where_blocks_do_not_all_begin_with_the_same_lines(int tileN, int m, int n, int k, bool brings)
    {
        HopperScheduler.BringsScales(new HopperPlan(HopperKernelKind.Prefill, 128, tileN, 1, 16), m, n, k, H200).Should().Be(brings);
    }

    [TestCase(8, 8)]
    [TestCase(9, 16)]
    [TestCase(16, 16)]
    [TestCase(17, 32)]
    [TestCase(32, 32)]
    [TestCase(33, 64)]
    [TestCase(64, 64)]
    public void Few_tokens_take_the_smallest_tile_that_holds_them(int tokens, int tile)
    {
        HopperScheduler.Plan(tokens, 4096, 4096, H200).TileM.Should().Be(tile);
    }

    [TestCase(1, 1)]
    [TestCase(128, 1)]
    [TestCase(129, 2)]
    [TestCase(256, 2)]
    public void Split_leaves_every_block_of_a_cluster_something_to_multiply(int k, int blocks)
    {
        HopperScheduler.Plan(1, 128, k, H200).SplitK.Should().BeLessThanOrEqualTo(blocks);
    }

    [Test]
    public void Expected_time_hardly_falls_when_tokens_are_added()
    {
        foreach (var (n, k) in new[] { (4096, 7168), (7168, 2048), (2112, 7168), (24576, 1536), (7168, 16384), (4096, 4096) })
        {
            double before = 0;
            for (int m = 1; m <= 4096; m += 1 + m / 8)
            {
                double cost = HopperScheduler.Cost(HopperScheduler.Plan(m, n, k, H200), m, n, k, H200);
                cost.Should().BeGreaterThan(before * 0.97, "{0} tokens of [{1}, {2}] cost no less than fewer", m, n, k);
                before = cost;
            }
        }
    }

    [TestCase(0, 1, 1, 1)]
    [TestCase(1, 0, 1, 1)]
    [TestCase(1, 1, 0, 1)]
    [TestCase(1, 1, 1, 0)]
    public void Counts_must_be_positive(int m, int n, int k, int multiprocessors)
    {
        var plan = () => HopperScheduler.Plan(m, n, k, multiprocessors);

        plan.Should().Throw<ArgumentOutOfRangeException>();
    }
}
