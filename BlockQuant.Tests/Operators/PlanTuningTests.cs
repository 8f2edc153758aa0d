using BlockQuant.Scheduling;

namespace BlockQuant.Tests.Operators;

internal sealed class PlanTuningTests
{
    [Test]
    public void Tuning_keeps_the_fastest_plan_and_products_use_it()
    {
        ComputeDevice device = TestDevice.Shared;
        var plans = new TunedPlans(device.Name);

        IReadOnlyList<PlanTiming> timings = PlanTuning.Tune(device, 3, 128, 128, plans);

        timings.Should().NotBeEmpty().And.BeInAscendingOrder(timing => timing.Microseconds);
        plans.Find(3, 128, 128).Should().Be(timings[0].Plan);
        device.Plans.Should().BeNull("tuning gives back what was there before");
        device.Plans = plans;
        try
        {
            device.Fp8.Plan(3, 128, 128).Should().Be(timings[0].Plan);
        }
        finally
        {
            device.Plans = null;
        }
    }

    [Test]
    public void Plans_of_another_device_are_refused()
    {
        ComputeDevice device = TestDevice.Shared;
        var other = new TunedPlans("another device");

        var tune = () => PlanTuning.Tune(device, 1, 128, 128, other);
        var use = () => device.Plans = other;

        tune.Should().Throw<ArgumentException>().WithMessage("*another device*");
        use.Should().Throw<ArgumentException>().WithMessage("*another device*");
    }
}
