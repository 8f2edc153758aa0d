using System.Runtime.InteropServices;

namespace BlockQuant.Kernels.TensorCores.Lora;

/// <summary>What shrink and expand take beside their slices, by device address. Pitches count bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct LoraCall
{
    /// <summary>Input rows: x [tokens, K], or y [slices, tokens, rank].</summary>
    public long Input;

    /// <summary>From one token's row to the next.</summary>
    public long InputPitch;

    /// <summary>From one slice's rows to the next's; 0 where all slices read the same.</summary>
    public long InputSlicePitch;

    /// <summary>Scales of the input; 0 where it has none.</summary>
    public long InputScales;

    /// <summary>From one token's scales to the next's; 0 for one scale a tensor.</summary>
    public long InputScalePitch;

    /// <summary>From one slice's scales to the next's.</summary>
    public long InputScaleSlicePitch;

    /// <summary>Token indices sorted by adapter.</summary>
    public long SortedTokens;

    /// <summary>Tokens of each entry of the map.</summary>
    public long Counts;

    /// <summary>Where each entry's tokens begin.</summary>
    public long Starts;

    /// <summary>The adapter of each entry.</summary>
    public long AdapterIds;

    /// <summary>Output rows.</summary>
    public long Output;

    /// <summary>From one output row to the next.</summary>
    public long OutputPitch;

    /// <summary>From the scale of 128 input columns to the next; 0 where one scale covers a row.</summary>
    public int InputScaleStep;

    /// <summary>Entries of the map.</summary>
    public int Entries;

    /// <summary>Tokens of the map.</summary>
    public int Tokens;

    /// <summary>Adapters that exist.</summary>
    public int Adapters;

    /// <summary>An <see cref="Hopper.OutputType"/>.</summary>
    public int OutputType;

    /// <summary>Not 0 where the output's rows lie so that a lane can write its neighbours at once.</summary>
    public int Vector;

    /// <summary>Columns of a shrink's output.</summary>
    public int Rank;

    /// <summary>The place of this launch's first slice among all slices.</summary>
    public int FirstSlice;

    /// <summary>The factor of a shrink.</summary>
    public float Scaling;

    /// <summary>Not 0 where an expand adds to the output.</summary>
    public int Add;

    /// <summary>Warps of a shrink's group side by side, as a power of two; the others share the depth.</summary>
    public int ColumnWarpShift;

    /// <summary>Groups of a shrink's cluster, as a power of two.</summary>
    public int SplitShift;

    /// <summary>
    /// Not 0 in a dependent launch: while the kernels ahead still run, the weights that the map as it stands names are brought to the cache. A kernel
    /// ahead may yet change either; they are read when all have ended.
    /// </summary>
    public int Early;

    /// <summary>Tiles of 32 columns, one behind the other, that each warp of an expand computes.</summary>
    public int Turns;
}
