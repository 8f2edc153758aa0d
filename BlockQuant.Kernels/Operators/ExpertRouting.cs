using System.Runtime.CompilerServices;
using BlockQuant.Kernels;
using BlockQuant.Kernels.Portable;
using ILGPU;
using ILGPU.Runtime;

namespace BlockQuant;

/// <summary>
/// From the experts that a router chose for each token to rows that are sorted by expert, and from their results back to one row a token. All
/// of it on the device and deterministic; over views: no allocation, no synchronisation, nothing that a CUDA graph cannot capture.
/// </summary>
/// <remarks>Source: the dispatch around the grouped products of finegrained-fp8 and of vLLM's fused experts.</remarks>
public sealed partial class ExpertRouting
{
    private readonly ComputeDevice device;

    /// <summary>Routing on a device.</summary>
    /// <param name="device">The device that holds the operands.</param>
    internal ExpertRouting(ComputeDevice device)
    {
        ArgumentNullException.ThrowIfNull(device);
        this.device = device;
    }

    /// <summary>Integers of workspace that <see cref="Route(MatrixView{int}, ExpertRoutingView, ArrayView{int}, ArrayView{int}, AcceleratorStream)"/> needs.</summary>
    /// <param name="tokens">T, the tokens.</param>
    /// <param name="topK">k, the experts of one token.</param>
    /// <param name="experts">E, the experts.</param>
    /// <exception cref="ArgumentException">A number is negative, or there are more than 2³¹ − 1 slots.</exception>
    public static long WorkspaceLength(long tokens, int topK, int experts)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(tokens);
        ArgumentOutOfRangeException.ThrowIfNegative(topK);
        ArgumentOutOfRangeException.ThrowIfNegative(experts);
        long slots = Require.Elements("expertIds", tokens, topK);
        ExpertIndices.RequireCount(slots, "expertIds");
        return Chunks(slots) * (experts + 1L);
    }

    /// <summary>Sorts the slots of all tokens by (expert, token, slot).</summary>
    /// <param name="expertIds">The experts of each token [T, k].</param>
    /// <param name="routing">Gets the rows of slots, the slots of rows, counts and offsets.</param>
    /// <param name="workspace">As many integers as <see cref="WorkspaceLength"/> says.</param>
    /// <param name="status">Gets the first id (at its slot) that is no expert, see <see cref="DeviceStatus"/>; empty to leave it untold.</param>
    /// <param name="stream">The stream; null for the device's default stream.</param>
    /// <exception cref="ArgumentException">A shape does not fit, or an output overlaps another operand.</exception>
    /// <remarks>A slot whose id is no expert gets the row −1 and counts for nobody, so that the offsets end before T · k.</remarks>
    public void Route(
        MatrixView<int> expertIds, ExpertRoutingView routing, ArrayView<int> workspace, ArrayView<int> status = default, AcceleratorStream? stream = null)
    {
        RequireRouting(device, routing);
        Require.Shape(expertIds, routing.Tokens, routing.TopK, nameof(expertIds));
        Require.Memory(device, expertIds.Data, nameof(expertIds));
        Require.Length(workspace, WorkspaceLength(routing.Tokens, routing.TopK, routing.Experts), nameof(workspace));
        Require.Memory(device, workspace, nameof(workspace));
        Require.OptionalStatus(device, status);
        RequireDisjoint(routing, expertIds.Data, nameof(expertIds));
        RequireDisjoint(routing, workspace, nameof(workspace));
        RequireDisjoint(routing, status, nameof(status));
        RequireDisjointParts(routing);
        Require.Disjoint(workspace, nameof(workspace), expertIds.Data, nameof(expertIds));
        Require.Disjoint(status, nameof(status), expertIds.Data, nameof(expertIds));
        Require.Disjoint(status, nameof(status), workspace, nameof(workspace));

        long chunks = Chunks(routing.Rows);
        int lanes = LaunchShapes.CooperatingLanes(device.Traits);
        ArrayView<int> chunkCounts = workspace.SubView(0, chunks * routing.Experts);
        ArrayView<int> chunkFaults = workspace.SubView(chunks * routing.Experts, chunks);
        var chunkShape = new LaunchShape((int)Math.Clamp(chunks, 1, device.Traits.Multiprocessors * 16L), lanes);
        device.Launch(
            Kernels.Count,
            chunkShape,
            new ExpertCountArguments { Ids = expertIds.Data, Experts = routing.Experts, ChunkCounts = chunkCounts, ChunkFaults = chunkFaults },
            stream);
        var offsets = new ExpertOffsetsArguments
        {
            Ids = expertIds.Data,
            Experts = routing.Experts,
            ChunkCounts = chunkCounts,
            ChunkFaults = chunkFaults,
            Counts = routing.Counts,
            Indptr = routing.Indptr,
            Status = status,
        };
        device.Launch(Kernels.Offsets, new LaunchShape(1, lanes), offsets, stream);
        var scatter = new ExpertScatterArguments
        {
            Ids = expertIds.Data,
            Experts = routing.Experts,
            ChunkCounts = chunkCounts,
            Indptr = routing.Indptr,
            RowSlots = routing.RowSlots,
            SlotRows = routing.SlotRows.Data,
        };
        device.Launch(Kernels.Scatter, chunkShape, scatter, stream);
    }

    /// <summary>The first row tile of every expert, when no tile spans two experts: what a grouped product computes for itself.</summary>
    /// <param name="offsets">Cumulative rows: where each expert's rows end [E], or an indptr [E + 1] that begins with 0.</param>
    /// <param name="rows">Rows of all experts together.</param>
    /// <param name="tileM">Rows of one tile.</param>
    /// <param name="tileOffsets">Gets the first tile of every expert and the number of tiles in use [E + 1]; all 0 where an offset is wrong.</param>
    /// <param name="status">Gets the first wrong offset, see <see cref="DeviceStatus"/>; empty to leave it untold.</param>
    /// <param name="stream">The stream; null for the device's default stream.</param>
    /// <exception cref="ArgumentException">A length does not fit, or the output overlaps the offsets.</exception>
    public void MapTiles(
        ArrayView<int> offsets, long rows, int tileM, ArrayView<int> tileOffsets, ArrayView<int> status = default, AcceleratorStream? stream = null)
    {
        Require.Positive(tileM, nameof(tileM));
        ExpertIndices.RequireCount(rows, nameof(rows));
        int experts = (int)(tileOffsets.Length - 1);
        Require.Positive(experts, nameof(tileOffsets));
        Require.Length(tileOffsets, experts + 1L, nameof(tileOffsets));
        Require.Memory(device, tileOffsets, nameof(tileOffsets));
        ExpertIndices.RequireOffsets(device, offsets, experts);
        Require.OptionalStatus(device, status);
        Require.Disjoint(tileOffsets, nameof(tileOffsets), offsets, nameof(offsets));
        Require.Disjoint(status, nameof(status), offsets, nameof(offsets));
        Require.Disjoint(status, nameof(status), tileOffsets, nameof(tileOffsets));
        ExpertIndices.TileOffsets(device, offsets, experts, rows, tileM, tileOffsets, status, stream);
    }

    /// <summary>Copies each token's row to the sorted rows of its slots: activations, codes or scales.</summary>
    /// <param name="source">One row a token [T, columns], of elements of 1, 2 or 4 bytes.</param>
    /// <param name="routing">The routing.</param>
    /// <param name="output">Gets the sorted rows [T · k, columns]; rows that no slot has are zero.</param>
    /// <param name="stream">The stream; null for the device's default stream.</param>
    /// <exception cref="ArgumentException">A shape or element type does not fit, or the output overlaps another operand.</exception>
    public void Gather<T>(MatrixView<T> source, ExpertRoutingView routing, MatrixView<T> output, AcceleratorStream? stream = null)
        where T : unmanaged
    {
        RequireRouting(device, routing);
        Require.Shape(source, routing.Tokens, source.Columns, nameof(source));
        Require.Shape(output, routing.Rows, source.Columns, nameof(output));
        Require.Memory(device, source.Data, nameof(source));
        Require.Memory(device, output.Data, nameof(output));
        Require.Disjoint(output.Data, nameof(output), source.Data, nameof(source));
        RequireDisjoint(routing, output.Data, nameof(output));
        switch (Unsafe.SizeOf<T>())
        {
            case 1:
                LaunchGather(source.Data.Cast<byte>(), routing, output.Data.Cast<byte>(), source.Columns, stream);
                break;
            case 2:
                LaunchGather(source.Data.Cast<ushort>(), routing, output.Data.Cast<ushort>(), source.Columns, stream);
                break;
            case 4:
                LaunchGather(source.Data.Cast<int>(), routing, output.Data.Cast<int>(), source.Columns, stream);
                break;
            default:
                throw new ArgumentException($"source: elements of {Unsafe.SizeOf<T>()} bytes; expected 1, 2 or 4.", nameof(source));
        }
    }

    /// <summary>Each token's weighted sum of its slots' rows: output[t] = Σ weights[t, j] · source[row of slot (t, j)], j ascending, in float32.</summary>
    /// <param name="source">The sorted rows [T · k, columns] of BFloat16, Half or Single.</param>
    /// <param name="weights">The weight of each slot [T, k].</param>
    /// <param name="routing">The routing.</param>
    /// <param name="output">Gets one row a token [T, columns]; a slot without an expert adds nothing.</param>
    /// <param name="stream">The stream; null for the device's default stream.</param>
    /// <exception cref="ArgumentException">A shape or element type does not fit, or the output overlaps another operand.</exception>
    public void Combine<T>(
        MatrixView<T> source, MatrixView<float> weights, ExpertRoutingView routing, MatrixView<T> output, AcceleratorStream? stream = null)
        where T : unmanaged
    {
        RequireRouting(device, routing);
        Require.Shape(source, routing.Rows, source.Columns, nameof(source));
        Require.Shape(weights, routing.Tokens, routing.TopK, nameof(weights));
        Require.Shape(output, routing.Tokens, source.Columns, nameof(output));
        Require.Memory(device, source.Data, nameof(source));
        Require.Memory(device, weights.Data, nameof(weights));
        Require.Memory(device, output.Data, nameof(output));
        Require.Disjoint(output.Data, nameof(output), source.Data, nameof(source));
        Require.Disjoint(output.Data, nameof(output), weights.Data, nameof(weights));
        RequireDisjoint(routing, output.Data, nameof(output));
        switch (Element<T>.Kind(nameof(source)))
        {
            case ElementKind.BFloat16:
                LaunchCombine<ushort, BFloat16Element>(
                    source.Data.Cast<ushort>(), weights, routing, output.Data.Cast<ushort>(), source.Columns, stream);
                break;
            case ElementKind.Float16:
                LaunchCombine<ushort, Float16Element>(
                    source.Data.Cast<ushort>(), weights, routing, output.Data.Cast<ushort>(), source.Columns, stream);
                break;
            default:
                LaunchCombine<float, Float32Element>(
                    source.Data.Cast<float>(), weights, routing, output.Data.Cast<float>(), source.Columns, stream);
                break;
        }
    }

    private static long Chunks(long slots) => MatrixIndex.CeilDivide(slots, ExpertCountKernel.Chunk);

    private static void RequireRouting(ComputeDevice device, ExpertRoutingView routing)
    {
        // A default view has no indptr.
        Require.Positive(routing.Indptr.Length, nameof(routing));
        Require.Positive(routing.SlotRows.Columns, nameof(routing));
        ExpertIndices.RequireCount(routing.Rows, nameof(routing));
        Require.Memory(device, routing.SlotRows.Data, nameof(routing));
        Require.Memory(device, routing.RowSlots, nameof(routing));
        Require.Memory(device, routing.Counts, nameof(routing));
        Require.Memory(device, routing.Indptr, nameof(routing));
    }

    private static void RequireDisjoint<T>(ExpertRoutingView routing, ArrayView<T> other, string operand)
        where T : unmanaged
    {
        Require.Disjoint(other, operand, routing.SlotRows.Data, "rows of slots");
        Require.Disjoint(other, operand, routing.RowSlots, "slots of rows");
        Require.Disjoint(other, operand, routing.Counts, "counts");
        Require.Disjoint(other, operand, routing.Indptr, "indptr");
    }

    private static void RequireDisjointParts(ExpertRoutingView routing)
    {
        Require.Disjoint(routing.SlotRows.Data, "rows of slots", routing.RowSlots, "slots of rows");
        Require.Disjoint(routing.SlotRows.Data, "rows of slots", routing.Counts, "counts");
        Require.Disjoint(routing.SlotRows.Data, "rows of slots", routing.Indptr, "indptr");
        Require.Disjoint(routing.RowSlots, "slots of rows", routing.Counts, "counts");
        Require.Disjoint(routing.RowSlots, "slots of rows", routing.Indptr, "indptr");
        Require.Disjoint(routing.Counts, "counts", routing.Indptr, "indptr");
    }

    private void LaunchGather<TBits>(ArrayView<TBits> source, ExpertRoutingView routing, ArrayView<TBits> output, long columns, AcceleratorStream? stream)
        where TBits : unmanaged
    {
        if (output.Length == 0)
        {
            return;
        }

        var arguments = new GatherRowsArguments<TBits>
        {
            Source = source,
            RowSlots = routing.RowSlots,
            Output = output,
            Tokens = routing.Tokens,
            Columns = columns,
            TopK = routing.TopK,
        };
        device.Launch(GatherKernels<TBits>.Gather, LaunchShapes.Elementwise(device.Traits, output.Length), arguments, stream);
    }

    private void LaunchCombine<TBits, TElement>(
        ArrayView<TBits> source, MatrixView<float> weights, ExpertRoutingView routing, ArrayView<TBits> output, long columns, AcceleratorStream? stream)
        where TBits : unmanaged
        where TElement : struct, IElement<TBits>
    {
        if (output.Length == 0)
        {
            return;
        }

        var arguments = new CombineRowsArguments<TBits>
        {
            Source = source,
            SlotRows = routing.SlotRows.Data,
            Weights = weights.Data,
            Output = output,
            Rows = routing.Rows,
            Columns = columns,
            TopK = routing.TopK,
        };
        device.Launch(CombineKernels<TBits, TElement>.Combine, LaunchShapes.Elementwise(device.Traits, output.Length), arguments, stream);
    }

    private static class Kernels
    {
        public static readonly Kernel<ExpertCountArguments> Count = new(nameof(ExpertCountKernel), ExpertCountKernel.Run);

        public static readonly Kernel<ExpertOffsetsArguments> Offsets = new(nameof(ExpertOffsetsKernel), ExpertOffsetsKernel.Run);

        public static readonly Kernel<ExpertScatterArguments> Scatter = new(nameof(ExpertScatterKernel), ExpertScatterKernel.Run);
    }

    private static class GatherKernels<TBits>
        where TBits : unmanaged
    {
        public static readonly Kernel<GatherRowsArguments<TBits>> Gather =
            new($"{nameof(GatherRowsKernel)}<{typeof(TBits).Name}>", GatherRowsKernel.Run<TBits>);
    }

    private static class CombineKernels<TBits, TElement>
        where TBits : unmanaged
        where TElement : struct, IElement<TBits>
    {
        public static readonly Kernel<CombineRowsArguments<TBits>> Combine =
            new($"{nameof(CombineRowsKernel)}<{typeof(TElement).Name}>", CombineRowsKernel.Run<TBits, TElement>);
    }
}
