namespace BlockQuant.Kernels.TensorCores.Lora;

/// <summary>The launches of a shrink or expand, one for every <see cref="SliceParameter.Capacity"/> slices.</summary>
/// <param name="Kernel">The kernel.</param>
/// <param name="Call">What it takes beside the slices; each launch has a first slice of its own.</param>
/// <param name="Grid">The groups for one slice.</param>
/// <param name="FirstColumn">The column of an expand's output where the first slice begins.</param>
internal readonly record struct LoraLaunch(TensorCoreKernel Kernel, LoraCall Call, TensorCoreGrid Grid, long FirstColumn);
