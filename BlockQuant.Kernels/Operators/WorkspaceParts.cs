using ILGPU;

namespace BlockQuant;

/// <summary>Cuts a caller's workspace in device memory into parts that start at multiples of 16 bytes.</summary>
internal struct WorkspaceParts
{
    /// <summary>Integers that aligning the first part may cost.</summary>
    public const long Slack = Alignment - 1;

    private const int Alignment = 4;

    private readonly ArrayView<int> workspace;
    private long next;

    public WorkspaceParts(ArrayView<int> workspace)
    {
        this.workspace = workspace;
        next = -(HopperExperts.Address(workspace) / sizeof(int)) & Slack;
    }

    /// <summary>Integers that a part takes up.</summary>
    public static long Length(long part) => (part + Slack) & ~Slack;

    public ArrayView<int> Take(long part)
    {
        ArrayView<int> taken = workspace.SubView(next, part);
        next += Length(part);
        return taken;
    }
}
