using BlockQuant.Kernels.Hopper;
using BlockQuant.Scheduling;

namespace BlockQuant.Tests.Hopper;

internal sealed class HopperKernelTests
{
    private static IEnumerable<TestCaseData> Plans()
    {
        foreach (int width in (int[])[32, 64, 128, 144, 192, 256])
            yield return new(new HopperPlan(HopperKernelKind.Prefill, 128, width, 1, 16), false, $"prefill_{width}");
        yield return new(new HopperPlan(HopperKernelKind.Prefill, 128, 256, 1, 16, Pairs: true), false, "prefill_256_pairs");
        foreach (int tokens in (int[])[8, 16, 32, 64, 128])
            yield return new(new HopperPlan(HopperKernelKind.Decode, tokens, 128, 2, 1), false, $"decode_{tokens}");
        foreach (int tokens in (int[])[8, 16])
            yield return new(new HopperPlan(HopperKernelKind.Decode, tokens, 128, 2, 1), true, $"fused_decode_{tokens}");
        foreach (int rows in (int[])[16, 32, 64])
            yield return new(new HopperPlan(HopperKernelKind.GroupedDecode, rows, 128, 1, 16), false, $"grouped_decode_{rows}");
        yield return new(new HopperPlan(HopperKernelKind.GroupedPrefill, 128, 256, 1, 16), false, "grouped_prefill");
        yield return new(new HopperPlan(HopperKernelKind.GroupedPrefill, 192, 128, 1, 8), false, "grouped_ragged");
        foreach (int tokens in (int[])[8, 16, 32, 64])
            yield return new(new HopperPlan(HopperKernelKind.Decode, tokens, 64, 2, 1), false, $"decode_narrow_{tokens}");
        foreach (int tokens in (int[])[8, 16])
            yield return new(new HopperPlan(HopperKernelKind.Decode, tokens, 64, 2, 1), true, $"fused_decode_narrow_{tokens}");
        yield return new(new HopperPlan(HopperKernelKind.BatchedDecode, 8, 128, 1, 1), false, "batched_decode");
    }

    [TestCaseSource(nameof(Plans))]
    public void A_plan_finds_its_kernel(HopperPlan plan, bool quantizes, string name)
    {
        var call = default(MatmulCall) with { Plan = plan, QuantizesActivations = quantizes };

        HopperKernel.All[HopperKernel.IndexOf(call)].Name.Should().Be(name);
    }

    [TestCase(HopperKernelKind.Prefill, 192, false, "int8_prefill_192")]
    [TestCase(HopperKernelKind.Prefill, 128, true, "int8_quantize_128")]
    [TestCase(HopperKernelKind.Decode, 128, true, "int8_decode_32")]
    public void A_plan_of_int8_finds_its_kernel(HopperKernelKind kind, int width, bool quantizes, string name)
        => HopperKernel.All[HopperKernel.IndexOfInt8(new HopperPlan(kind, kind == HopperKernelKind.Decode ? 32 : 128, width, 1, 16), quantizes)].Name.Should().Be(name);

    [Test]
    public void Kernels_that_sort_and_quantize_are_found()
    {
        HopperKernel.All[HopperKernel.ExpertTilesIndex].Name.Should().Be("expert_tiles");
        HopperKernel.All[HopperKernel.ExpertPlacesIndex].Name.Should().Be("expert_places");
        HopperKernel.All[HopperKernel.BatchedQuantizeIndex(ElementKind.BFloat16)].Name.Should().Be("batched_quantize_bf16");
        HopperKernel.All[HopperKernel.BatchedQuantizeIndex(ElementKind.Float16)].Name.Should().Be("batched_quantize_f16");
        HopperKernel.All[HopperKernel.BatchedQuantizeIndex(ElementKind.Float32)].Name.Should().Be("batched_quantize_f32");
        HopperKernel.All.Select(kernel => kernel.Name).Should().OnlyHaveUniqueItems();
    }

    [Test]
    public void A_tile_that_no_kernel_has_is_told()
    {
        FluentActions.Invoking(() => HopperKernel.IndexOf(new HopperPlan(HopperKernelKind.Prefill, 128, 160, 1, 16)))
            .Should().Throw<ArgumentException>().WithMessage("No Hopper kernel has the tile of *160*");
        FluentActions.Invoking(() => HopperKernel.IndexOfInt8(new HopperPlan(HopperKernelKind.Prefill, 128, 192, 1, 16), quantizes: true))
            .Should().Throw<ArgumentException>().WithMessage("No Hopper INT8 kernel has the tile of *192*");
    }

    [Test]
    public void Finding_a_kernel_allocates_nothing()
    {
        var call = default(MatmulCall) with { Plan = new HopperPlan(HopperKernelKind.Decode, 16, 128, 1, 1), QuantizesActivations = true };
        int found = HopperKernel.IndexOf(call) + HopperKernel.IndexOfInt8(call.Plan, false) + HopperKernel.BatchedQuantizeIndex(ElementKind.Float16);
        long before = GC.GetAllocatedBytesForCurrentThread();

        for (int i = 0; i < 100; i++)
            found -= HopperKernel.IndexOf(call) - HopperKernel.IndexOf(call.Plan) + HopperKernel.IndexOfInt8(call.Plan, true) - HopperKernel.BatchedQuantizeIndex(ElementKind.BFloat16);

        (GC.GetAllocatedBytesForCurrentThread() - before).Should().Be(0, "and the last was {0}", found);
    }
}
