namespace BlockQuant;

/// <content>The same operators over matrices that own their memory.</content>
public sealed partial class LoraOperators
{
    /// <summary>output[s, t] = scaling · x[t] · A_s[adapter of t]ᵀ; see <see cref="Shrink{TX, TW, TOut}(LoraInput{TX}, ReadOnlySpan{LoraSlice{TW}}, AdapterMapView, float, MatrixView{TOut}, ILGPU.ArrayView{float}, LoraShrinkOptions, ILGPU.Runtime.AcceleratorStream)"/>.</summary>
    /// <param name="x">The activations [tokens, K].</param>
    /// <param name="slices">A of every slice.</param>
    /// <param name="map">Which adapter each token uses.</param>
    /// <param name="scaling">The factor of the result.</param>
    /// <param name="options">The plan and how a split is summed.</param>
    /// <returns>[slices × tokens, largest rank], to be disposed by the caller.</returns>
    /// <exception cref="ArgumentException">A shape or element type does not fit.</exception>
    public DeviceMatrix<float> Shrink<TX, TW>(
        DeviceMatrix<TX> x, IReadOnlyList<LoraDeviceSlice<TW>> slices, AdapterMap map, float scaling, LoraShrinkOptions? options = null)
        where TX : unmanaged
        where TW : unmanaged
    {
        ArgumentNullException.ThrowIfNull(x);
        return Shrink(new LoraInput<TX>(x.View), slices, map, scaling, options);
    }

    /// <inheritdoc cref="Shrink{TX, TW}(DeviceMatrix{TX}, IReadOnlyList{LoraDeviceSlice{TW}}, AdapterMap, float, LoraShrinkOptions)"/>
    public DeviceMatrix<float> Shrink(
        QuantizedDeviceMatrix<Float8E4M3> x,
        IReadOnlyList<LoraDeviceSlice<Float8E4M3>> slices,
        AdapterMap map,
        float scaling,
        LoraShrinkOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(x);
        return Shrink(new LoraInput<Float8E4M3>(x.View), slices, map, scaling, options);
    }

    /// <summary>output[t, columns of s] (+)= y[s, t] · B_s[adapter of t]ᵀ; see <see cref="Expand{TX, TW, TOut}(LoraInput{TX}, ReadOnlySpan{LoraSlice{TW}}, AdapterMapView, MatrixView{TOut}, LoraExpandOptions, ILGPU.Runtime.AcceleratorStream)"/>.</summary>
    /// <param name="y">The shrunk activations [slices × tokens, rank].</param>
    /// <param name="slices">B of every slice.</param>
    /// <param name="map">Which adapter each token uses.</param>
    /// <param name="output">[tokens, columns] of BFloat16, Half or Single.</param>
    /// <param name="options">The plan, whether to add, and where in the row to begin.</param>
    /// <exception cref="ArgumentException">A shape or element type does not fit.</exception>
    public void Expand<TX, TW, TOut>(
        DeviceMatrix<TX> y,
        IReadOnlyList<LoraDeviceSlice<TW>> slices,
        AdapterMap map,
        DeviceMatrix<TOut> output,
        LoraExpandOptions? options = null)
        where TX : unmanaged
        where TW : unmanaged
        where TOut : unmanaged
    {
        ArgumentNullException.ThrowIfNull(y);
        ArgumentNullException.ThrowIfNull(slices);
        ArgumentNullException.ThrowIfNull(map);
        ArgumentNullException.ThrowIfNull(output);
        Expand(new LoraInput<TX>(y.View, slices.Count), Views(slices), map.View, output.View, options);
    }

    private DeviceMatrix<float> Shrink<TX, TW>(
        LoraInput<TX> x, IReadOnlyList<LoraDeviceSlice<TW>> slices, AdapterMap map, float scaling, LoraShrinkOptions? options)
        where TX : unmanaged
        where TW : unmanaged
    {
        ArgumentNullException.ThrowIfNull(slices);
        ArgumentNullException.ThrowIfNull(map);
        long rank = slices.Count == 0 ? 0 : slices.Max(slice => slice.Rows);
        using DeviceBuffer<float> workspace = device.Allocate<float>(ShrinkWorkspaceLength(slices.Count, x.Tokens, rank, options));
        LoraSlice<TW>[] views = Views(slices);
        return Result.Finished(
            device,
            new DeviceMatrix<float>(device, slices.Count * x.Tokens, rank),
            r => Shrink(x, views, map.View, scaling, r.View, workspace.View, options));
    }

    private static LoraSlice<T>[] Views<T>(IReadOnlyList<LoraDeviceSlice<T>> slices)
        where T : unmanaged
    {
        var views = new LoraSlice<T>[slices.Count];
        for (int i = 0; i < views.Length; i++)
        {
            views[i] = slices[i].View;
        }

        return views;
    }
}
