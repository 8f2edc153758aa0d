namespace ILGPU.IR.Intrinsics;

/// <summary>Marks a method that a GPU compiler replaces by instructions; its body is what runs on the CPU.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class IntrinsicImplementationAttribute : Attribute
{
}
