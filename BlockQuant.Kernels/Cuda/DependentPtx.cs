namespace BlockQuant.Kernels.Cuda;

/// <summary>
/// Makes a kernel for GPUs without programmatic dependent launch one for those with it: the embedded text serves the former as it is, and no kernel has
/// two bodies.
/// </summary>
/// <remarks>
/// <para>
/// The first instruction waits until the kernels ahead have ended and their writes are visible; the second lets the next kernel of the stream start
/// once every group of this one has come so far. Nothing stands before them: no lane reads or writes memory early, and every lane waits, so that this
/// kernel does not end before those ahead. Whoever waits for its end, in whatever way, has waited for theirs.
/// </para>
/// <para>
/// In this order the next kernel starts when this one alone still runs: what it reads without waiting, as products do constant weights, this one must
/// not write, and none ahead of it does any more.
/// </para>
/// </remarks>
internal static class DependentPtx
{
    /// <summary>The least major compute capability that has programmatic dependent launch.</summary>
    public const int MinMajor = 9;

    /// <summary>A kernel's text, to be launched with <see cref="CudaLaunchAttribute.ProgrammaticStreamSerialization"/>.</summary>
    /// <param name="ptx">The kernel's text for sm_89. The first brace opens its body: what stands ahead of that has none.</param>
    public static string Of(string ptx)
        => ptx.Insert(ptx.IndexOf('{') + 1, "\n\tgriddepcontrol.wait;\n\tgriddepcontrol.launch_dependents;")
            .Replace(".target sm_89", ".target sm_90");
}
