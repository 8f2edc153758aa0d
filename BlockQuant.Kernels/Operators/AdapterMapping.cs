using BlockQuant.Kernels;
using BlockQuant.Kernels.Portable;
using BlockQuant.Scheduling;
using ILGPU;
using ILGPU.Runtime;

namespace BlockQuant;

/// <summary>Builds and checks adapter maps on the device: validate, plan, launch.</summary>
internal static class AdapterMapping
{
    private static readonly Kernel<AdapterMapArguments> BuildKernel = new(nameof(AdapterMapKernel), AdapterMapKernel.Run);

    private static readonly Kernel<IndexCheckArguments> CheckIndices = new(nameof(IndexCheckKernel), IndexCheckKernel.Run);

    private static readonly Kernel<AdapterMapCheckArguments> CheckEntries = new(nameof(AdapterMapCheckKernel), AdapterMapCheckKernel.Run);

    public static void Build(ComputeDevice device, ArrayView<int> mapping, AdapterMapView map, ArrayView<int> status, AcceleratorStream? stream)
    {
        Require.Map(device, map);
        Require.Length(mapping, map.Tokens, nameof(mapping));
        Require.Memory(device, mapping, nameof(mapping));
        Require.Disjoint(mapping, nameof(mapping), map);
        Require.Disjoint(map.SortedTokens, "sorted tokens", map.Counts, "counts");
        Require.Disjoint(map.SortedTokens, "sorted tokens", map.Starts, "starts");
        Require.Disjoint(map.SortedTokens, "sorted tokens", map.AdapterIds, "adapter ids");
        Require.Disjoint(map.Counts, "counts", map.Starts, "starts");
        Require.Disjoint(map.Counts, "counts", map.AdapterIds, "adapter ids");
        Require.Disjoint(map.Starts, "starts", map.AdapterIds, "adapter ids");
        Require.OptionalStatus(device, status);
        Require.Disjoint(status, nameof(status), mapping, nameof(mapping));
        Require.Disjoint(status, nameof(status), map);
        var arguments = new AdapterMapArguments
        {
            Mapping = mapping,
            SortedTokens = map.SortedTokens,
            Counts = map.Counts,
            Starts = map.Starts,
            AdapterIds = map.AdapterIds,
            Status = status.Length == 0 ? map.Counts.SubView(0, 0) : status,
            Adapters = checked((int)(map.Entries - 1)),
        };
        device.Launch(BuildKernel, new LaunchShape(checked((int)map.Entries), Lanes(device.Traits, AdapterMapKernel.MaxLanes)), arguments, stream);
    }

    public static void Check(ComputeDevice device, AdapterMapView map, int adapters, ArrayView<int> status, AcceleratorStream? stream)
    {
        Require.Map(device, map);
        Require.Positive(adapters, nameof(adapters));
        Require.Status(device, status);
        Require.Disjoint(status, nameof(status), map);
        var adapterIds = new IndexCheckArguments
        {
            Indices = map.AdapterIds,
            Minimum = -1,
            Limit = adapters,
            Code = (int)DeviceStatusCode.AdapterOutOfRange,
            Status = status,
        };
        var tokens = new IndexCheckArguments
        {
            Indices = map.SortedTokens,
            Minimum = 0,
            Limit = (int)map.Tokens,
            Code = (int)DeviceStatusCode.TokenOutOfRange,
            Status = status,
        };
        var entries = new AdapterMapCheckArguments { Counts = map.Counts, Starts = map.Starts, Tokens = (int)map.Tokens, Status = status };
        var shape = new LaunchShape(1, Lanes(device.Traits, IndexCheckKernel.MaxLanes));
        device.Launch(CheckIndices, shape, adapterIds, stream);
        device.Launch(CheckEntries, new LaunchShape(1, 1), entries, stream);
        device.Launch(CheckIndices, shape, tokens, stream);
    }

    /// <summary>A processor pays for every lane at a barrier, so it gets few.</summary>
    private static int Lanes(DeviceTraits traits, int most) => Math.Min(traits.Kind == DeviceKind.Cpu ? 4 : most, traits.MaxGroupSize);
}
