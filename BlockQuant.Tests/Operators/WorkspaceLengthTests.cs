using BlockQuant.Scheduling;

namespace BlockQuant.Tests.Operators;

/// <summary>What the methods say that size workspaces, asked about products that are none.</summary>
internal sealed class WorkspaceLengthTests
{
    private static readonly ComputeDevice Device = TestDevice.Shared;

    [Test]
    public void Weights_that_are_none_are_refused()
    {
        Refuses(() => Device.Fp8.GroupedWorkspaceLength(4, default), "weights");
        Refuses(() => Device.Fp8.BatchedWorkspaceLength(4, default), "weights");
    }

    [Test]
    public void Rows_that_are_none_or_too_many_are_refused([Values(-1, 1L << 31)] long rows)
    {
        using var weights = new ExpertWeights<Float8E4M3>(Device, 2, 4, 8, QuantizationScheme.Fp8Block128);
        Refuses(() => Device.Fp8.GroupedWorkspaceLength(rows, weights.View), "rows");
        Refuses(() => Device.Fp8.BatchedWorkspaceLength(rows, weights.View), "rows");
    }

    [TestCase(long.MaxValue, 2, "activations: shape [9223372036854775807, 2]; expected at most 1152921504606846976 elements")]
    [TestCase(1L << 60, 2, "activations: shape [1152921504606846976, 2]; expected at most 1152921504606846976 elements")]
    [TestCase(-1, 2, "rows")]
    [TestCase(2, -1, "columns")]
    public void Activations_that_no_memory_has_are_refused(long rows, long columns, string message)
        => Refuses(() => Fp8Operators.MultiplyWorkspaceLength(rows, columns), message);

    [TestCase(0, long.MaxValue, 3)]
    [TestCase(long.MaxValue, 0, 3)]
    [TestCase(3, 130, 3 + 100 + 8)]
    [TestCase(1L << 60, 1, 3 + (1L << 58) + (1L << 60))]
    public void Activations_have_place_for_codes_and_scales(long rows, long columns, long expected)
        => Fp8Operators.MultiplyWorkspaceLength(rows, columns).Should().Be(expected);

    [TestCase(long.MaxValue, 2, "expertIds: shape [9223372036854775807, 2]")]
    [TestCase(1L << 40, 2, "expertIds: 2199023255552 rows; expected at most 2147483647")]
    [TestCase(-1, 2, "tokens")]
    public void Slots_that_are_too_many_are_refused(long tokens, int topK, string message)
        => Refuses(() => ExpertRouting.WorkspaceLength(tokens, topK, 8), message);

    [TestCase(-1, 4, 4, "slices")]
    [TestCase(1, -1, 4, "tokens")]
    [TestCase(1, 4, -1, "rank")]
    [TestCase(1, long.MaxValue, 4, "workspace: shape [2, 1, 9223372036854775807, 4]")]
    public void Shrinks_that_are_none_are_refused(int slices, long tokens, long rank, string message)
        => Refuses(() => LoraOperators.ShrinkWorkspaceLength(slices, tokens, rank, new() { Plan = new LoraPlanOverrides { SplitK = 2 } }), message);

    private static void Refuses(Func<long> sizing, string message)
        => sizing.Should().Throw<ArgumentException>().WithMessage($"*{message}*");
}
