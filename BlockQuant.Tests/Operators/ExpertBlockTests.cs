using BlockQuant.Scheduling;

namespace BlockQuant.Tests.Operators;

/// <summary>
/// Expert products with the 1×128 and 128×128 scale blocks that tensor cores take. On other devices the portable kernels run the same cases.
/// </summary>
public sealed class ExpertBlockTests
{
    private static readonly ComputeDevice Device = TestDevice.Shared;

    /// <summary>The error of a float32 result: the tensor core's FP8 accumulator is narrower than float32.</summary>
    internal static double MaxError => HasTensorCores ? 5e-4 : 1e-5;

    private static bool HasTensorCores => Device.Traits is { Kind: DeviceKind.Cuda, ComputeCapability: 90 };

    private static IEnumerable<TestCaseData> Groups
    {
        get
        {
            yield return Case("one row", [1], 128, 128);
            yield return Case("empty experts, N ends inside a tile", [0, 37, 0, 9, 0], 136, 256);
            yield return Case("one expert has all rows, over several tiles", [0, 0, TestDevice.IsSlow ? 40 : 150], 130, 128);
            yield return Case("rows end at and beside the middle and the end of a tile", TestDevice.IsSlow ? [64, 65] : [64, 65, 128, 129], 17, 128);
            yield return Case("many experts with few rows", [.. Enumerable.Range(0, TestDevice.IsSlow ? 10 : 70).Select(i => i * 7 % 4)], 12, 128);
            yield return Case("K ends inside a scale block", [5, 20], 40, 208);

            static TestCaseData Case(string name, int[] counts, int n, int k) => new TestCaseData(counts, n, k).SetArgDisplayNames(name);
        }
    }

    [TestCaseSource(nameof(Groups))]
    public void Grouped_rows_give_the_products_of_the_reference(int[] counts, int n, int k)
    {
        var random = new Random(1);
        using ExpertOperands experts = ExpertOperands.Random(Device, random, counts.Length, n, k, QuantizationScheme.Fp8Block128);
        int[] ids = counts.SelectMany((count, expert) => Enumerable.Repeat(expert, count)).ToArray(), ends = Ends(counts);
        float[] x = RandomData.Normal(random, ids.Length * k);
        using DeviceMatrix<float> a = Device.Upload<float>(x, ids.Length, k);
        using DeviceMatrix<float> c = Device.Fp8.MultiplyGrouped(a, experts.Weights, ends);
        Compare.RelativeError(c.ToArray(), experts.Product(x, ids)).Should().BeLessThan(MaxError);

        using QuantizedDeviceMatrix<Float8E4M3> codes = Device.Fp8.Quantize(a, QuantizationScheme.Fp8TokenGroup128);
        using DeviceMatrix<float> before = Device.Fp8.MultiplyGrouped<float>(codes, experts.Weights, [0, .. ends]);
        before.ToArray().Should().Equal(c.ToArray(), "quantizing inside is quantizing before");
    }

    [TestCase(0)]
    [TestCase(3)]
    [TestCase(40)]
    public void Batched_rows_give_the_products_of_the_reference_in_any_order(int perExpert)
    {
        const int E = 5, N = 136, K = 256;
        var random = new Random(2);
        using ExpertOperands experts = ExpertOperands.Random(Device, random, E, N, K, QuantizationScheme.Fp8Block128);
        int[] ids = Enumerable.Range(0, Math.Max(1, E * (TestDevice.IsSlow ? perExpert / 10 : perExpert))).Select(_ => random.Next(E)).ToArray();
        float[] x = RandomData.Normal(random, ids.Length * K);
        float[] c = Batched(x, ids, experts);
        Compare.RelativeError(c, experts.Product(x, ids)).Should().BeLessThan(MaxError);

        int[] order = Enumerable.Range(0, ids.Length).ToArray();
        random.Shuffle(order);
        float[] moved = order.SelectMany(i => x.AsSpan(i * K, K).ToArray()).ToArray();
        float[] expected = order.SelectMany(i => c.AsSpan(i * N, N).ToArray()).ToArray();
        Batched(moved, Array.ConvertAll(order, i => ids[i]), experts).Should().Equal(expected, "a row does not depend on where it stands");
    }

    // On a Hopper GPU up to 32 rows take other kernels than more, and than sorted ones: products of the same rows have the same bits.
    [Test]
    public void Batched_rows_give_the_bits_of_grouped_ones_however_many([Values(1, 8, 31, 32, 33, 64)] int rows, [Values] bool oneExpert)
    {
        const int E = 6, N = 264, K = 384;
        var random = new Random(rows);
        using ExpertOperands experts = ExpertOperands.Random(Device, random, E, N, K, QuantizationScheme.Fp8Block128);
        int[] ids = Enumerable.Range(0, rows).Select(_ => oneExpert ? 3 : random.Next(E)).ToArray();
        int[] order = [.. Enumerable.Range(0, rows).OrderBy(row => ids[row])];
        int[] ends = [.. Enumerable.Range(0, E).Select(expert => ids.Count(id => id <= expert))];
        float[] x = RandomData.Normal(random, rows * K);
        using DeviceMatrix<float> sorted = Device.Upload<float>(order.SelectMany(row => x.AsSpan(row * K, K).ToArray()).ToArray(), rows, K);
        using DeviceMatrix<float> grouped = Device.Fp8.MultiplyGrouped(sorted, experts.Weights, ends);
        float[] batched = Batched(x, ids, experts), expected = grouped.ToArray();
        Compare.RelativeError(batched, experts.Product(x, ids)).Should().BeLessThan(MaxError);
        if (HasTensorCores)
        {
            order.SelectMany(row => batched.AsSpan(row * N, N).ToArray()).Should().Equal(expected);
            Batched(x, ids, experts).Should().Equal(batched, "a second run gives the same bits");
        }
    }

    [Test]
    public void Half_precision_rows_give_half_precision_results()
    {
        const int E = 3, N = 65, K = 128;
        var random = new Random(3);
        using ExpertOperands experts = ExpertOperands.Random(Device, random, E, N, K, QuantizationScheme.Fp8Block128);
        int[] ids = [0, 0, 1, 2, 2, 2];
        Half[] x = Array.ConvertAll(RandomData.Normal(random, ids.Length * K), value => (Half)value);
        BFloat16[] y = Array.ConvertAll(x, value => BFloat16.FromSingle((float)value));
        using DeviceMatrix<Half> a = Device.Upload<Half>(x, ids.Length, K);
        using DeviceMatrix<BFloat16> b = Device.Upload<BFloat16>(y, ids.Length, K);
        using DeviceMatrix<Half> batched = Device.Fp8.MultiplyBatched(a, experts.Weights, ids), grouped = Device.Fp8.MultiplyGrouped(a, experts.Weights, [2, 3, 6]);
        using DeviceMatrix<BFloat16> batchedB = Device.Fp8.MultiplyBatched(b, experts.Weights, ids), groupedB = Device.Fp8.MultiplyGrouped(b, experts.Weights, [2, 3, 6]);
        double[] expected = experts.Product(Compare.ToSingle(x), ids), expectedB = experts.Product(Compare.ToSingle(y), ids);
        Compare.RelativeError(Compare.ToSingle(batched.ToArray()), expected).Should().BeLessThan(1e-3);
        Compare.RelativeError(Compare.ToSingle(grouped.ToArray()), expected).Should().BeLessThan(1e-3);
        Compare.RelativeError(Compare.ToSingle(batchedB.ToArray()), expectedB).Should().BeLessThan(3e-3);
        Compare.RelativeError(Compare.ToSingle(groupedB.ToArray()), expectedB).Should().BeLessThan(3e-3);
    }

    [Test]
    public void A_batched_row_without_an_expert_is_told_and_left_alone()
    {
        const int E = 3, N = 20, K = 128;
        var random = new Random(4);
        using ExpertOperands experts = ExpertOperands.Random(Device, random, E, N, K, QuantizationScheme.Fp8Block128);
        int[] ids = [2, 0, -1, 2, 7, 1];
        float[] x = RandomData.Normal(random, ids.Length * K);
        using DeviceMatrix<float> a = Device.Upload<float>(x, ids.Length, K);
        using DeviceBuffer<int> deviceIds = Device.Upload<int>(ids);
        using DeviceBuffer<int> workspace = Device.Allocate<int>(Device.Fp8.BatchedWorkspaceLength(ids.Length, experts.Weights.View));
        using DeviceMatrix<float> c = Device.Upload<float>(Enumerable.Repeat(-77f, ids.Length * N).ToArray(), ids.Length, N);
        using var status = new DeviceStatus(Device);
        Device.Fp8.MultiplyBatched(a.View, experts.Weights.View, deviceIds.View, c.View, workspace.View, status.View);
        status.Read().Should().Be(new DeviceFault(DeviceStatusCode.ExpertOutOfRange, 2, -1, E));
        float[] found = c.ToArray();
        double[] expected = experts.Product(x, Array.ConvertAll(ids, id => Math.Clamp(id, 0, E - 1)));
        for (int row = 0; row < ids.Length; row++)
        {
            float[] foundRow = found.AsSpan(row * N, N).ToArray();
            if (ids[row] is < 0 or >= E)
            {
                foundRow.Should().OnlyContain(value => value == -77f, $"row {row}");
            }
            else
            {
                Compare.RelativeError(foundRow, expected.AsSpan(row * N, N).ToArray()).Should().BeLessThan(MaxError, $"row {row}");
            }
        }
    }

    [TestCase(new[] { 2, 1, 5 }, "offset 1 at 1; expected at least 2, the offset before it")]
    [TestCase(new[] { 0, 2, 3, 4 }, "last offset 4 at 3; expected 5, the number of rows")]
    public void Wrong_offsets_are_told_and_nothing_is_written(int[] offsets, string message)
    {
        using ExpertOperands experts = ExpertOperands.Random(Device, new Random(5), 3, 6, 128, QuantizationScheme.Fp8Block128);
        using DeviceMatrix<float> x = Device.Upload<float>(new float[5 * 128], 5, 128);
        using DeviceMatrix<float> c = Device.Upload<float>(Enumerable.Repeat(-77f, 30).ToArray(), 5, 6);
        using DeviceBuffer<int> deviceOffsets = Device.Upload<int>(offsets);
        using DeviceBuffer<int> workspace = Device.Allocate<int>(Device.Fp8.GroupedWorkspaceLength(5, experts.Weights.View));
        using var status = new DeviceStatus(Device);
        Device.Fp8.MultiplyGrouped(x.View, experts.Weights.View, deviceOffsets.View, c.View, workspace.View, status.View);
        status.Read().ToString().Should().Be(message);
        c.ToArray().Should().OnlyContain(value => value == -77f);
    }

    [Test]
    public void A_workspace_may_start_anywhere_but_not_be_too_short()
    {
        const int Rows = 4, N = 24, K = 128;
        var random = new Random(6);
        using ExpertOperands experts = ExpertOperands.Random(Device, random, 2, N, K, QuantizationScheme.Fp8Block128);
        using DeviceMatrix<float> a = Device.Upload<float>(RandomData.Normal(random, Rows * K), Rows, K);
        using var c = new DeviceMatrix<float>(Device, Rows, N);
        using DeviceBuffer<int> ends = Device.Upload<int>([1, 4]), ids = Device.Upload<int>([0, 1, 1, 1]);
        long grouped = Device.Fp8.GroupedWorkspaceLength(Rows, experts.Weights.View), batched = Device.Fp8.BatchedWorkspaceLength(Rows, experts.Weights.View);
        using DeviceBuffer<int> workspace = Device.Allocate<int>(Math.Max(grouped, batched) + 3);
        using DeviceMatrix<float> expected = Device.Fp8.MultiplyGrouped(a, experts.Weights, [1, 4]);
        for (int start = 0; start < 4; start++)
        {
            Device.Fp8.MultiplyGrouped(a.View, experts.Weights.View, ends.View, c.View, workspace.View.SubView(start, grouped));
            c.ToArray().Should().Equal(expected.ToArray());
            c.CopyFrom(new float[Rows * N]);
            Device.Fp8.MultiplyBatched(a.View, experts.Weights.View, ids.View, c.View, workspace.View.SubView(start, batched));
            Compare.RelativeError(c.ToArray(), Array.ConvertAll(expected.ToArray(), value => (double)value)).Should().BeLessThan(1e-5);
        }

        FluentActions.Invoking(() => Device.Fp8.MultiplyGrouped(a.View, experts.Weights.View, ends.View, c.View, workspace.View.SubView(0, grouped - 1)))
            .Should().Throw<ArgumentException>().WithMessage($"workspace: length {grouped - 1}; expected at least {grouped}*");
        FluentActions.Invoking(() => Device.Fp8.MultiplyGrouped(a.View, experts.Weights.View, ends.View, c.View, a.View.Data.Cast<int>()))
            .Should().Throw<ArgumentException>().WithMessage("workspace*");
    }

    [Test]
    public void A_forced_family_runs_or_is_refused()
    {
        const int N = 40, K = 256;
        var random = new Random(7);
        using ExpertOperands experts = ExpertOperands.Random(Device, random, 2, N, K, QuantizationScheme.Fp8Block128);
        float[] x = RandomData.Normal(random, 9 * K);
        int[] ids = [0, 0, 0, 1, 1, 1, 1, 1, 1];
        using DeviceMatrix<float> a = Device.Upload<float>(x, 9, K);
        var portable = new TilePlanOverrides { Kernel = KernelFamily.Portable };
        var hopper = new TilePlanOverrides { Kernel = KernelFamily.Hopper };
        using DeviceMatrix<float> grouped = Device.Fp8.MultiplyGrouped(a, experts.Weights, [3, 9], portable);
        using DeviceMatrix<float> batched = Device.Fp8.MultiplyBatched(a, experts.Weights, ids, portable);
        Compare.RelativeError(grouped.ToArray(), experts.Product(x, ids)).Should().BeLessThan(1e-5);
        Compare.RelativeError(batched.ToArray(), experts.Product(x, ids)).Should().BeLessThan(1e-5);
        if (HasTensorCores)
        {
            using DeviceMatrix<float> forced = Device.Fp8.MultiplyGrouped(a, experts.Weights, [3, 9], hopper);
            forced.ToArray().Should().NotEqual(grouped.ToArray(), "another kernel rounds otherwise");
            return;
        }

        FluentActions.Invoking(() => Device.Fp8.MultiplyGrouped(a, experts.Weights, [3, 9], hopper))
            .Should().Throw<ArgumentException>().WithMessage("*kernel family Hopper cannot run*");
        FluentActions.Invoking(() => Device.Fp8.MultiplyBatched(a, experts.Weights, ids, hopper))
            .Should().Throw<ArgumentException>().WithMessage("*kernel family Hopper cannot run*");
    }

    private static int[] Ends(int[] counts)
    {
        int rows = 0;
        return Array.ConvertAll(counts, count => rows += count);
    }

    private static float[] Batched(float[] x, int[] ids, ExpertOperands experts)
    {
        using DeviceMatrix<float> a = Device.Upload<float>(x, ids.Length, experts.Weights.Columns);
        using DeviceMatrix<float> c = Device.Fp8.MultiplyBatched(a, experts.Weights, ids);
        return c.ToArray();
    }
}
