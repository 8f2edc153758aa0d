using BlockQuant.Kernels;
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
    public void Tuning_INT8_keeps_the_fastest_plan_and_leaves_those_of_FP8()
    {
        ComputeDevice device = TestDevice.Shared;
        var plans = new TunedPlans(device.Name);

        IReadOnlyList<PlanTiming> timings = PlanTuning.Tune(device, 3, 128, 128, plans, ElementFormat.Int8);

        timings.Should().NotBeEmpty().And.BeInAscendingOrder(timing => timing.Microseconds);
        plans.Find(3, 128, 128, ElementFormat.Int8).Should().Be(timings[0].Plan);
        plans.Find(3, 128, 128).Should().BeNull();
        device.Plans.Should().BeNull("tuning gives back what was there before");
    }

    [TestCase(ElementFormat.Int8, true)]
    [TestCase(ElementFormat.Float8E4M3, false)]
    public void Products_of_INT8_use_their_own_plans(ElementFormat format, bool used)
    {
        // Rows that are no multiple of 16 bytes, which only portable kernels take.
        const int M = 5, N = 40, K = 24;
        using var device = new CountingDevice(TestDevice.Shared);
        using var activations = new QuantizedDeviceMatrix<sbyte>(device, M, K, QuantizationScheme.Int8TokenGroup128);
        using var weights = new QuantizedDeviceMatrix<sbyte>(device, N, K, QuantizationScheme.Int8Block128);
        using DeviceBuffer<float> bias = device.Allocate<float>(N);
        using var output = new DeviceMatrix<float>(device, M, N);
        var plan = new TilePlan { TileM = 8, TileN = 20, TileK = 8, GroupM = 1, Stages = 1 };
        device.Plans = new TunedPlans(device.Name);
        device.Plans.Set(M, N, K, plan, format);

        (device.Int8.Plan(M, N, K) == plan).Should().Be(used);
        device.Int8.Multiply(activations.View, weights.View, output.View);
        (device.LastShape == new LaunchShape(2, 5)).Should().Be(used);
        device.Int8.MultiplyAdd(activations.View, weights.View, bias.View, output.View);
        (device.LastShape == new LaunchShape(2, 5)).Should().Be(used);
    }

    [Test]
    public void Plans_of_another_device_or_format_are_refused()
    {
        ComputeDevice device = TestDevice.Shared;
        var other = new TunedPlans("another device");

        var tune = () => PlanTuning.Tune(device, 1, 128, 128, other);
        var use = () => device.Plans = other;
        var tuneOther = () => PlanTuning.Tune(device, 1, 128, 128, new TunedPlans(device.Name), (ElementFormat)7);

        tune.Should().Throw<ArgumentException>().WithMessage("*another device*");
        use.Should().Throw<ArgumentException>().WithMessage("*another device*");
        tuneOther.Should().Throw<ArgumentOutOfRangeException>().WithParameterName("format");
    }
}
