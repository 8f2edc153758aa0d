using BlockQuant.Scheduling;
using ILGPU;

namespace BlockQuant.Kernels.Portable;

/// <summary>Where each expert's rows lie among rows that are sorted by expert.</summary>
internal struct ExpertRows : IKernelArguments
{
    /// <summary>Cumulative ends [E], or indptr [E + 1] that begins with 0.</summary>
    public ArrayView<int> Offsets;

    /// <summary>Entries before the first end: 1 in an indptr, else 0.</summary>
    public int Lead;

    public int Experts;

    /// <inheritdoc/>
    public readonly void Write(ref ArgumentBlock block)
    {
        block.Add(Offsets);
        block.Add(Lead);
        block.Add(Experts);
    }

    public readonly int Begin(int expert) => expert + Lead == 0 ? 0 : Offsets[expert + Lead - 1];

    public readonly int End(int expert) => Offsets[expert + Lead];
}

/// <summary>The device's side of <see cref="ExpertTileMap"/>.</summary>
internal static class ExpertTiles
{
    /// <inheritdoc cref="ExpertTileMap.Owner"/>
    public static int Owner(ArrayView<int> tileOffsets, int experts, long tile)
    {
        if (tile >= tileOffsets[experts])
        {
            return ExpertTileMap.Unused;
        }

        int low = 0;
        int high = experts;
        while (high - low > 1)
        {
            int middle = low + (high - low) / 2;
            if (tileOffsets[middle] <= tile)
            {
                low = middle;
            }
            else
            {
                high = middle;
            }
        }

        return low;
    }
}
