using BlockQuant.Scheduling;

namespace BlockQuant;

/// <summary>How the groups that share the depth of one tile add up their sums.</summary>
public enum SplitReduction
{
    /// <summary>Through a workspace, in a fixed order: the same bits every time.</summary>
    Ordered,

    /// <summary>By atomic additions to a float32 output, without a workspace: the last bits may differ from run to run.</summary>
    Atomic,
}

/// <summary>The choices of a LoRA shrink.</summary>
public sealed record LoraShrinkOptions
{
    /// <summary>Parts of the plan to fix, among them the split of the depth; null leaves the plan to the library's cost model.</summary>
    public LoraPlanOverrides? Plan { get; init; }

    /// <summary>How a split depth is summed.</summary>
    public SplitReduction Reduction { get; init; }

    /// <summary>
    /// True to launch with CUDA's attribute for programmatic dependent launch, so that the kernel may start while the one ahead of it in the stream
    /// still runs: it waits for that one's end before it reads anything but to bring weights to the cache. The kernels for tensor cores have it; the
    /// portable kernels run in the order of their stream whatever this says.
    /// </summary>
    public bool ProgrammaticDependentLaunch { get; init; }
}

/// <summary>The choices of a LoRA expand.</summary>
public sealed record LoraExpandOptions
{
    /// <summary>Parts of the plan to fix; null leaves the plan to the library's cost model.</summary>
    public LoraPlanOverrides? Plan { get; init; }

    /// <summary>True to add to what the output holds, false to set it.</summary>
    public bool AddInputs { get; init; }

    /// <summary>The column of the output where the first slice begins; the others follow it.</summary>
    public long ColumnOffset { get; init; }

    /// <summary>True to round full-precision input to the weights' type before the product, as a product of that type would need.</summary>
    public bool CastInputs { get; init; }

    /// <inheritdoc cref="LoraShrinkOptions.ProgrammaticDependentLaunch"/>
    public bool ProgrammaticDependentLaunch { get; init; }
}
