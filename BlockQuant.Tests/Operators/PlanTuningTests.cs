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

    [TestCase(ElementFormat.Float8E4M3)]
    [TestCase(ElementFormat.Int8)]
    public void Nobody_sees_the_trials(ElementFormat format)
    {
        using ComputeDevice device = TestDevice.Open();
        var before = new TunedPlans(device.Name);
        device.Plans = before;
        bool tuned = false;
        var others = new HashSet<TunedPlans?>();
        var watcher = new Thread(() =>
        {
            while (!Volatile.Read(ref tuned))
            {
                others.Add(device.Plans);
            }
        });
        watcher.Start();

        PlanTuning.Tune(device, 1, 128, 128, new TunedPlans(device.Name), format);
        Volatile.Write(ref tuned, true);
        watcher.Join();

        others.Should().Equal(before);
    }

    [Test]
    public void Operands_longer_than_an_array_are_filled_piece_by_piece()
    {
        using QuantizedDeviceMatrix<Float8E4M3> matrix = PlanTuning.Random(
            TestDevice.Shared, 5, 7, QuantizationScheme.Fp8Block128, random => Float8E4M3.FromSingle(random.NextSingle()), seed: 1, longestPiece: 8);

        Float8E4M3[] codes = matrix.Codes.ToArray();

        codes.Should().OnlyContain(code => float.IsFinite(code.ToSingle()));
        codes[8..].Should().Equal(codes[..^8], "pieces repeat");
        codes[..8].Distinct().Should().HaveCountGreaterThan(4);
        matrix.Scales.ToArray().Should().Equal(0.01f);
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
