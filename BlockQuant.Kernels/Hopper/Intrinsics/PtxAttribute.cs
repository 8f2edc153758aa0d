namespace BlockQuant.Kernels.Hopper.Intrinsics;

/// <summary>
/// The PTX that stands for an intrinsic: <c>$d</c> is the result's register, <c>$0</c>, <c>$1</c>… the arguments (a register, or
/// a number where the argument is constant).
/// </summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class PtxAttribute(string text) : Attribute
{
    /// <summary>The PTX text.</summary>
    public string Text { get; } = text;
}
