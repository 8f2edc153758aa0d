using BlockQuant.Scheduling;

namespace BlockQuant.Tests.Hardening;

/// <summary>Calls of the LoRA operators with random ragged operands.</summary>
internal static class LoraCalls
{
    private const int MostTokens = 10;
    private const int MostAdapters = 4;
    private const int MostSlices = 3;
    private const int Rank = 8;
    private const int Depth = 40;

    public static IReadOnlyList<Action<CallScope>[]> Families { get; } =
    [
        [Shrink<float, float>, Shrink<BFloat16, BFloat16>, Shrink<Half, Half>, Shrink<BFloat16, Float8E4M3>],
        [ShrinkCodes],
        [Expand<float, float>, Expand<BFloat16, BFloat16>, Expand<Half, Half>, Expand<Float8E4M3, Half>],
        [Map],
    ];

    private static void Shrink<TX, TW>(CallScope s)
        where TX : unmanaged
        where TW : unmanaged
    {
        DeviceMatrix<TX> x = s.Matrix<TX>(s.Positive(MostTokens), s.Positive(Depth));
        Shrink(s, new LoraInput<TX>(x.View), Slices<TW>(s, (int)x.Columns));
    }

    private static void ShrinkCodes(CallScope s)
    {
        QuantizedDeviceMatrix<Float8E4M3> x = s.Codes<Float8E4M3>(
            s.Positive(MostTokens), s.Positive(Depth), s.ActivationScheme(ElementFormat.Float8E4M3));
        Shrink(s, new LoraInput<Float8E4M3>(x.View), Slices<Float8E4M3>(s, (int)x.Columns));
    }

    private static void Shrink<TX, TW>(CallScope s, LoraInput<TX> x, LoraSlice<TW>[] slices)
        where TX : unmanaged
        where TW : unmanaged
    {
        long rank = slices.Max(slice => slice.Rows);
        var options = new LoraShrinkOptions { Plan = s.Random.Next(2) == 0 ? null : new LoraPlanOverrides { SplitK = s.Positive(3) } };
        DeviceMatrix<float> output = s.Empty<float>(slices.Length * x.Tokens, rank);
        DeviceBuffer<float> workspace = s.Own(s.Device.Allocate<float>(LoraOperators.ShrinkWorkspaceLength(slices.Length, x.Tokens, rank, options)));
        s.Device.Lora.Shrink(x, slices, Map(s, (int)x.Tokens, slices), 0.5f, output.View, workspace.View, options, s.Stream);
        s.Take(output);
    }

    private static void Expand<TW, TOut>(CallScope s)
        where TW : unmanaged
        where TOut : unmanaged
    {
        (int tokens, int adapters, int rank) = (s.Positive(MostTokens), s.Positive(MostAdapters), s.Positive(Rank));
        var slices = new LoraSlice<TW>[s.Positive(MostSlices)];
        for (int i = 0; i < slices.Length; i++)
        {
            slices[i] = s.Slice<TW>(adapters, s.Positive(16), rank).View;
        }

        var y = new LoraInput<float>(s.Matrix<float>(slices.Length * tokens, rank).View, slices.Length);
        var options = new LoraExpandOptions { AddInputs = s.Random.Next(2) == 0, ColumnOffset = s.Random.Next(3) };
        DeviceMatrix<TOut> output = s.Matrix<TOut>(tokens, (int)(slices.Sum(slice => slice.Rows) + options.ColumnOffset) + s.Random.Next(3));
        s.Device.Lora.Expand(y, slices, Map(s, tokens, slices), output.View, options, s.Stream);
        s.Take(output);
    }

    private static void Map(CallScope s)
    {
        (int tokens, int adapters) = (s.Positive(MostTokens), s.Positive(MostAdapters));
        AdapterMap map = s.Own(new AdapterMap(s.Device, tokens, adapters));
        DeviceStatus status = s.Own(new DeviceStatus(s.Device));
        int[] mapping = s.Indices(tokens, s.Random.Next(8) == 0 ? -2 : -1, adapters);
        s.Device.Lora.BuildAdapterMap(s.Buffer(mapping).View, map.View, status.View, s.Stream);
        s.Device.Lora.CheckAdapterMap(map.View, adapters, status.View, s.Stream);
        s.Take(map.SortedTokens);
        s.Take(map.Counts);
        s.Take(s.Buffer([(int)status.Read(s.Stream).Code]));
    }

    private static LoraSlice<T>[] Slices<T>(CallScope s, int depth)
        where T : unmanaged
    {
        int adapters = s.Positive(MostAdapters);
        var slices = new LoraSlice<T>[s.Positive(MostSlices)];
        for (int i = 0; i < slices.Length; i++)
        {
            slices[i] = s.Slice<T>(adapters, s.Positive(Rank), depth).View;
        }

        return slices;
    }

    private static AdapterMapView Map<T>(CallScope s, int tokens, LoraSlice<T>[] slices)
        where T : unmanaged
    {
        int adapters = (int)slices[0].Adapters;
        return s.Own(new AdapterMap(s.Device, s.Indices(tokens, -1, adapters), adapters)).View;
    }
}
