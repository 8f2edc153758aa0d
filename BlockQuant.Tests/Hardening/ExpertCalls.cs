namespace BlockQuant.Tests.Hardening;

/// <summary>Calls of the products of experts and of their routing with random ragged operands.</summary>
internal static class ExpertCalls
{
    private const int MostExperts = 4;
    private const int Rows = 10;
    private const int Columns = 16;
    private const int Depth = 40;

    public static IReadOnlyList<Action<CallScope>[]> Families { get; } =
    [
        [Batched<float>, Batched<BFloat16>, Batched<Half>],
        [Grouped<float>, Grouped<BFloat16>, Grouped<Half>],
        [GroupGemm<float>, GroupGemm<BFloat16>, GroupGemm<Half>],
        [Route<float>, Route<BFloat16>, Route<Half>],
    ];

    private static void Batched<T>(CallScope s)
        where T : unmanaged
    {
        ExpertWeights<Float8E4M3> weights = s.Experts(s.Positive(MostExperts), s.Positive(Columns), s.Positive(Depth));
        DeviceMatrix<T> x = s.Matrix<T>(s.Extent(Rows), (int)weights.Columns);
        s.Take(s.Own(s.Device.Fp8.MultiplyBatched(x, weights, s.Indices((int)x.Rows, 0, weights.Experts))));
    }

    private static void Grouped<T>(CallScope s)
        where T : unmanaged
    {
        ExpertWeights<Float8E4M3> weights = s.Experts(s.Positive(MostExperts), s.Positive(Columns), s.Positive(Depth));
        int[] indptr = Indptr(s, weights.Experts);
        DeviceMatrix<T> x = s.Matrix<T>(indptr[^1], (int)weights.Columns);
        s.Take(s.Own(s.Device.Fp8.MultiplyGrouped(x, weights, indptr)));
    }

    private static void GroupGemm<T>(CallScope s)
        where T : unmanaged
    {
        ExpertWeights<Float8E4M3> weights = s.Experts(s.Positive(MostExperts), s.Positive(Columns), s.Positive(Depth));
        int[] indptr = Indptr(s, weights.Experts);
        QuantizedDeviceMatrix<Float8E4M3> a = s.Codes<Float8E4M3>(indptr[^1], (int)weights.Columns, s.ActivationScheme(ElementFormat.Float8E4M3));
        DeviceMatrix<T> c = s.Empty<T>(a.Rows, weights.Rows);
        DeviceBuffer<int> workspace = s.Own(s.Device.Allocate<int>(Fp8Operators.GroupedWorkspaceLength(weights.Experts)));
        s.Device.Fp8.MultiplyGrouped(a.View, weights.View, s.Buffer(indptr).View, c.View, workspace.View, stream: s.Stream);
        s.Take(c);
    }

    private static void Route<T>(CallScope s)
        where T : unmanaged
    {
        (int tokens, int topK, int experts, int columns) = (s.Extent(Rows), s.Positive(3), s.Positive(MostExperts), s.Positive(Columns));
        DeviceMatrix<int> ids = s.Own(s.Device.Upload<int>(s.Indices(tokens * topK, s.Random.Next(8) == 0 ? -1 : 0, experts), tokens, topK));
        ExpertRoutingTable table = s.Own(new ExpertRoutingTable(s.Device, tokens, topK, experts));
        DeviceStatus status = s.Own(new DeviceStatus(s.Device));
        DeviceMatrix<T> rows = s.Matrix<T>(tokens * topK, columns);
        DeviceMatrix<T> output = s.Empty<T>(tokens, columns);
        s.Device.Routing.Route(ids.View, table.View, table.Workspace.View, status.View, s.Stream);
        s.Device.Routing.Gather(s.Matrix<T>(tokens, columns).View, table.View, rows.View, s.Stream);
        s.Take(rows);
        s.Device.Routing.Combine(rows.View, s.Matrix<float>(tokens, topK).View, table.View, output.View, s.Stream);
        s.Take(output);
        s.Take(table.Counts);
        s.Take(s.Buffer([(int)status.Read(s.Stream).Code]));
    }

    private static int[] Indptr(CallScope s, int experts)
    {
        var indptr = new int[experts + 1];
        for (int e = 0; e < experts; e++)
        {
            indptr[e + 1] = indptr[e] + s.Extent(Rows);
        }

        return indptr;
    }
}
