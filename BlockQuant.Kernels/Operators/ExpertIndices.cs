using BlockQuant.Kernels;
using BlockQuant.Kernels.Portable;
using ILGPU;
using ILGPU.Runtime;

namespace BlockQuant;

/// <summary>Expert ids and row offsets: their lengths are checked before the launch, their values on the host where it has them, else on the device.</summary>
internal static class ExpertIndices
{
    private static readonly Kernel<IndexCheckArguments> IndexCheck = new(nameof(IndexCheckKernel), IndexCheckKernel.Run);

    private static readonly Kernel<ExpertTileOffsetsArguments> TileOffsetsScan = new(nameof(ExpertTileOffsetsKernel), ExpertTileOffsetsKernel.Run);

    public static long TileOffsetsLength(int experts) => experts + 1L;

    public static ExpertRows Rows(ArrayView<int> offsets, int experts)
        => new() { Offsets = offsets, Lead = (int)(offsets.Length - experts), Experts = experts };

    /// <summary>Offsets and row numbers are 32-bit integers, as in the reference systems.</summary>
    public static void RequireCount(long rows, string operand)
    {
        if (rows > int.MaxValue)
        {
            throw new ArgumentException($"{operand}: {rows} rows; expected at most {int.MaxValue}.", operand);
        }
    }

    public static void RequireOffsets(ComputeDevice device, ArrayView<int> offsets, int experts)
    {
        RequireOffsetCount(offsets.Length, experts);
        Require.Memory(device, offsets, nameof(offsets));
    }

    /// <summary>Host ids are all experts.</summary>
    public static void RequireIds(ReadOnlySpan<int> expertIds, int experts)
    {
        for (int i = 0; i < expertIds.Length; i++)
        {
            if (expertIds[i] < 0 || expertIds[i] >= experts)
            {
                throw Invalid(new DeviceFault(DeviceStatusCode.ExpertOutOfRange, i, expertIds[i], experts), nameof(expertIds));
            }
        }
    }

    /// <summary>Host offsets begin at 0 where they are an indptr, do not decrease, and end at the number of rows.</summary>
    public static void RequireOffsets(ReadOnlySpan<int> offsets, int experts, long rows)
    {
        RequireOffsetCount(offsets.Length, experts);
        int before = 0;
        for (int i = 0; i < offsets.Length; i++)
        {
            if (i == 0 && offsets.Length > experts && offsets[0] != 0)
            {
                throw Invalid(new DeviceFault(DeviceStatusCode.OffsetsStart, 0, offsets[0], 0), nameof(offsets));
            }

            if (offsets[i] < before)
            {
                throw Invalid(new DeviceFault(DeviceStatusCode.OffsetsDecrease, i, offsets[i], before), nameof(offsets));
            }

            before = offsets[i];
        }

        if (before != rows)
        {
            throw Invalid(new DeviceFault(DeviceStatusCode.OffsetsEnd, offsets.Length - 1, before, (int)rows), nameof(offsets));
        }
    }

    /// <summary>Reports the first id that is no expert, where there is a status to report to.</summary>
    public static void CheckIds(ComputeDevice device, ArrayView<int> expertIds, int experts, ArrayView<int> status, AcceleratorStream? stream)
    {
        if (status.Length == 0)
        {
            return;
        }

        var arguments = new IndexCheckArguments
        {
            Indices = expertIds,
            Limit = experts,
            Code = (int)DeviceStatusCode.ExpertOutOfRange,
            Status = status,
        };
        device.Launch(IndexCheck, new LaunchShape(1, LaunchShapes.CooperatingLanes(device.Traits)), arguments, stream);
    }

    /// <summary>Computes the tile offsets of at least one expert.</summary>
    public static void TileOffsets(
        ComputeDevice device,
        ArrayView<int> offsets,
        int experts,
        long rows,
        int tileM,
        ArrayView<int> tileOffsets,
        ArrayView<int> status,
        AcceleratorStream? stream)
    {
        var arguments = new ExpertTileOffsetsArguments
        {
            Experts = Rows(offsets, experts),
            Rows = (int)rows,
            TileM = tileM,
            TileOffsets = tileOffsets,
            Status = status,
        };
        device.Launch(TileOffsetsScan, new LaunchShape(1, LaunchShapes.CooperatingLanes(device.Traits)), arguments, stream);
    }

    private static void RequireOffsetCount(long length, int experts)
    {
        if (length != experts && length != experts + 1L)
        {
            throw new ArgumentException(
                $"offsets: length {length}; expected {experts}, the cumulative ends, or {experts + 1L}, an indptr.", "offsets");
        }
    }

    private static ArgumentException Invalid(DeviceFault fault, string operand) => new($"{operand}: {fault}.", operand);
}
