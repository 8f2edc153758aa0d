using BlockQuant.Kernels.TensorCores.Dense;
using BlockQuant.Kernels.TensorCores.Lora;

namespace BlockQuant.Kernels.TensorCores;

/// <summary>One kernel of warp-level tensor cores, specialised and compiled ahead of time.</summary>
/// <param name="Name">The name of its PTX and its entry.</param>
/// <param name="Method">Its code.</param>
/// <param name="Architecture">The lowest compute capability, times ten, that runs it.</param>
/// <param name="Lanes">Lanes in a group of the grid.</param>
/// <param name="GroupsPerMultiprocessor">Groups that must fit on a multiprocessor at once, which bounds a lane's registers.</param>
/// <param name="SharedBytes">Dynamic shared memory of a launch.</param>
/// <param name="HasSlices">Whether it takes the slices of a LoRA as a parameter.</param>
internal sealed record TensorCoreKernel(
    string Name, Delegate Method, int Architecture, int Lanes, int GroupsPerMultiprocessor, int SharedBytes, bool HasSlices)
{
    /// <summary>All kernels, by name.</summary>
    public static IReadOnlyDictionary<string, TensorCoreKernel> All { get; } = LoraKernels.All.Concat(DenseKernels.All).ToDictionary(kernel => kernel.Name);
}
