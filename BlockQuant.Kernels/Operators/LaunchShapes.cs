using BlockQuant.Kernels;
using BlockQuant.Kernels.Portable;
using BlockQuant.Scheduling;

namespace BlockQuant;

/// <summary>Groups and lanes for kernels that have no tiles.</summary>
internal static class LaunchShapes
{
    /// <summary>Enough lanes to fill the device; each strides over the elements.</summary>
    public static LaunchShape Elementwise(DeviceTraits traits, long elements)
    {
        int lanes = Math.Min(256, traits.MaxGroupSize);
        long groups = MatrixIndex.CeilDivide(elements, lanes);
        return new LaunchShape((int)Math.Clamp(groups, 1, traits.Multiprocessors * 16L), lanes);
    }

    /// <summary>Lanes that share one scale block, and groups for all blocks.</summary>
    public static LaunchShape Blocks(DeviceTraits traits, long blocks, long blockElements, out int lanesPerBlock)
    {
        int lanes = traits.Kind == DeviceKind.Cpu ? Math.Min(8, traits.MaxGroupSize) : Math.Min(BlockQuantizeKernel.MaxLanes, traits.MaxGroupSize);
        lanesPerBlock = 1;
        while (lanesPerBlock < lanes && lanesPerBlock * 4L < blockElements)
        {
            lanesPerBlock *= 2;
        }

        long groups = MatrixIndex.CeilDivide(blocks, Math.Max(1, lanes / lanesPerBlock));
        return new LaunchShape((int)Math.Clamp(groups, 1, traits.Multiprocessors * 64L), Math.Max(1, lanes / lanesPerBlock) * lanesPerBlock);
    }

    /// <summary>One group for every tile, while a grid can hold that many; each group strides over the rest.</summary>
    public static LaunchShape Tiles(TilePlan plan, long tiles) => new((int)Math.Clamp(tiles, 1, int.MaxValue), plan.Lanes);

    /// <summary>Lanes of a group that works on one thing together; a power of two, at most 256.</summary>
    public static int CooperatingLanes(DeviceTraits traits)
    {
        int most = traits.Kind == DeviceKind.Cpu ? Math.Min(8, traits.MaxGroupSize) : Math.Min(256, traits.MaxGroupSize);
        return (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)most / 2 + 1);
    }
}
