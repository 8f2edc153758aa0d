using BlockQuant.Scheduling;
using ILGPU;
using ILGPU.Runtime;

namespace BlockQuant;

/// <summary>
/// LoRA operators over views: no allocation, no synchronisation, nothing that a CUDA graph cannot capture. Every token may use an adapter of its
/// own; a fused projection does all its slices in one launch, up to eight in each.
/// </summary>
/// <remarks>
/// Input and weights are both full precision or both FP8, or full-precision input with FP8 weights. Full-precision types are equal, but that
/// Single input takes weights of any type.
/// </remarks>
public sealed partial class LoraOperators
{
    private readonly ComputeDevice device;

    /// <summary>Operators on a device.</summary>
    /// <param name="device">The device that holds the operands.</param>
    internal LoraOperators(ComputeDevice device)
    {
        ArgumentNullException.ThrowIfNull(device);
        this.device = device;
    }

    /// <summary>output[s, t] = scaling · x[t] · A_s[adapter of t]ᵀ for every slice s, with float32 accumulation inside each scale block.</summary>
    /// <param name="x">The activations [tokens, K].</param>
    /// <param name="slices">A of every slice [adapters, rank, K]; ranks may differ.</param>
    /// <param name="map">Which adapter each token uses.</param>
    /// <param name="scaling">The factor of the result, LoRA's alpha / rank.</param>
    /// <param name="output">
    /// [slices × tokens, rank] of BFloat16, Half or Single, as wide as the largest rank. Tokens without adapter, and columns beyond a slice's
    /// own rank, get zeros.
    /// </param>
    /// <param name="workspace">Memory for an ordered split, at least <see cref="ShrinkWorkspaceLength"/> elements; may be empty without a split.</param>
    /// <param name="options">The plan and how a split is summed; null for the defaults: no split.</param>
    /// <param name="stream">The stream; null for the device's default stream.</param>
    /// <exception cref="ArgumentException">
    /// A shape, element type or scheme does not fit, operands overlap, the workspace is too short, or the options make an impossible plan.
    /// </exception>
    /// <remarks>
    /// Source: vLLM <c>lora_shrink</c> and <c>lora_shrink_fp8</c>, after Punica (arXiv 2310.18547). The sums are promoted at every edge of a scale
    /// block of either operand, whatever the tile size. A row does not depend on the other rows, bit for bit, within one plan.
    /// </remarks>
    public void Shrink<TX, TW, TOut>(
        LoraInput<TX> x,
        ReadOnlySpan<LoraSlice<TW>> slices,
        AdapterMapView map,
        float scaling,
        MatrixView<TOut> output,
        ArrayView<float> workspace = default,
        LoraShrinkOptions? options = null,
        AcceleratorStream? stream = null)
        where TX : unmanaged
        where TW : unmanaged
        where TOut : unmanaged
        => LoraShrink.Run(device, x, slices, map, scaling, output, workspace, options, stream);

    /// <summary>The elements of workspace that a shrink needs: none unless its depth is split and summed in order.</summary>
    /// <param name="slices">Slices.</param>
    /// <param name="tokens">Tokens.</param>
    /// <param name="rank">The width of the output.</param>
    /// <param name="options">The options of the shrink.</param>
    /// <exception cref="ArgumentException">A number is negative, or there are more elements than memory may have.</exception>
    public static long ShrinkWorkspaceLength(int slices, long tokens, long rank, LoraShrinkOptions? options = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(slices);
        ArgumentOutOfRangeException.ThrowIfNegative(tokens);
        ArgumentOutOfRangeException.ThrowIfNegative(rank);
        int splits = options?.Plan?.SplitK ?? 1;
        return splits > 1 && options?.Reduction == SplitReduction.Ordered ? Require.Elements("workspace", splits, slices, tokens, rank) : 0;
    }

    /// <summary>A split of the depth that gives every multiprocessor work, for <see cref="LoraPlanOverrides.SplitK"/>.</summary>
    /// <param name="slices">Slices.</param>
    /// <param name="tokens">Tokens.</param>
    /// <param name="rank">The width of the output.</param>
    /// <param name="k">The hidden size.</param>
    public int SuggestSplitK(int slices, long tokens, long rank, long k)
        => LoraScheduler.SuggestSplitK(tokens, rank, k, slices, device.Traits);

    /// <summary>output[t, columns of s] = y[s, t] · B_s[adapter of t]ᵀ, set or added, for every slice s.</summary>
    /// <param name="y">The shrunk activations [slices, tokens, rank].</param>
    /// <param name="slices">
    /// B of every slice [adapters, N, rank]: N may differ, and a slice may have a lower rank than y is wide.
    /// </param>
    /// <param name="map">Which adapter each token uses.</param>
    /// <param name="output">
    /// [tokens, columns] of BFloat16, Half or Single. The slices lie side by side from <see cref="LoraExpandOptions.ColumnOffset"/>; tokens
    /// without adapter, and columns outside the slices, are not touched.
    /// </param>
    /// <param name="options">The plan, whether to add, and where in the row to begin; null for the defaults: set, from column 0.</param>
    /// <param name="stream">The stream; null for the device's default stream.</param>
    /// <exception cref="ArgumentException">
    /// A shape, element type or scheme does not fit, operands overlap, or the options make an impossible plan.
    /// </exception>
    /// <remarks>
    /// Source: vLLM <c>lora_expand</c> and <c>lora_expand_fp8</c>, after Punica (arXiv 2310.18547). An addition is made in float32 and rounded
    /// once; the reference rounds the product before it adds.
    /// </remarks>
    public void Expand<TX, TW, TOut>(
        LoraInput<TX> y,
        ReadOnlySpan<LoraSlice<TW>> slices,
        AdapterMapView map,
        MatrixView<TOut> output,
        LoraExpandOptions? options = null,
        AcceleratorStream? stream = null)
        where TX : unmanaged
        where TW : unmanaged
        where TOut : unmanaged
        => LoraExpand.Run(device, y, slices, map, output, options, stream);

    /// <summary>Sorts tokens by adapter, stably, on the device.</summary>
    /// <param name="mapping">The adapter of each token, or −1 [tokens].</param>
    /// <param name="map">Gets the map; its entries are one more than the adapters. Entry g stands for adapter g − 1, with or without tokens.</param>
    /// <param name="status">
    /// A <see cref="DeviceStatus"/> that is told the first token whose adapter does not exist, or empty. Such a token counts as one without
    /// adapter.
    /// </param>
    /// <param name="stream">The stream; null for the device's default stream.</param>
    /// <exception cref="ArgumentException">A length does not fit, or operands overlap.</exception>
    /// <remarks>Source: vLLM <c>LoRAKernelMeta.prepare_tensors</c>, which leaves out entries without tokens.</remarks>
    public void BuildAdapterMap(
        ArrayView<int> mapping, AdapterMapView map, ArrayView<int> status = default, AcceleratorStream? stream = null)
        => AdapterMapping.Build(device, mapping, map, status, stream);

    /// <summary>Checks a map that somebody else built on the device, before it is used.</summary>
    /// <param name="map">The map.</param>
    /// <param name="adapters">Adapters that exist.</param>
    /// <param name="status">
    /// The <see cref="DeviceStatus"/> that is told the first thing wrong: of the adapter ids, else of the starts and counts, else of the tokens.
    /// </param>
    /// <param name="stream">The stream; null for the device's default stream.</param>
    /// <exception cref="ArgumentException">A length does not fit.</exception>
    public void CheckAdapterMap(AdapterMapView map, int adapters, ArrayView<int> status, AcceleratorStream? stream = null)
        => AdapterMapping.Check(device, map, adapters, status, stream);
}
