using BlockQuant.Scheduling;

namespace BlockQuant.Tests.Scheduling;

/// <summary>What a plan tells of the kernel that runs.</summary>
internal sealed class TilePlanTests
{
    private static readonly TilePlan Portable = new() { TileM = 16, TileN = 64, TileK = 32, GroupM = 8, Stages = 1 };

    [Test]
    public void A_plan_tells_the_family_and_the_tile_that_run()
    {
        Tell(Portable).Should().Be((KernelFamily.Portable, (16, 64, 32)));
        Tell(Portable with { TensorCores = new DenseTensorPlan(KernelFamily.TensorFloat16, 64) }).Should().Be((KernelFamily.TensorFloat16, (64, 128, 128)));
        Tell(Portable with { Hopper = new HopperPlan(HopperKernelKind.Prefill, 128, 192, 1, 16) }).Should().Be((KernelFamily.Hopper, (128, 192, 128)));
    }

    private static (KernelFamily, (int, int, int)) Tell(TilePlan plan) => (plan.Kernel, plan.Tile);
}
