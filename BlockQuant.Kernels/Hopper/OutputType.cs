namespace BlockQuant.Kernels.Hopper;

/// <summary>Element type that a kernel writes.</summary>
internal enum OutputType
{
    /// <summary>bfloat16.</summary>
    BFloat16,

    /// <summary>IEEE binary16.</summary>
    Half,

    /// <summary>IEEE binary32.</summary>
    Single,
}
