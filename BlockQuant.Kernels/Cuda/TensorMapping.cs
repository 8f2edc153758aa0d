namespace BlockQuant.Kernels.Cuda;

/// <summary>All that a <see cref="TensorMap"/> is made of. Pitches count bytes, types and modes are the driver's numbers.</summary>
internal readonly record struct TensorMapping(
    IntPtr Address, long Rows, long Columns, long PitchBytes, int BoxRows, int BoxColumns, int Type, int Swizzle, int Promotion)
{
    private const int UInt8 = 0, UInt16 = 1, Float32 = 7, NoSwizzle = 0, Swizzle128 = 3, NoPromotion = 0, Promote128 = 2, Promote256 = 3;

    /// <inheritdoc cref="TensorMap.EncodeBytes"/>
    public static TensorMapping Bytes(IntPtr address, long rows, long columns, long pitch, int boxRows) =>
        new(address, rows, columns, pitch, boxRows, 128, UInt8, Swizzle128, Promote256);

    /// <inheritdoc cref="TensorMap.EncodeScales"/>
    public static TensorMapping Scales(IntPtr address, long rows, long columns, long pitch, int boxRows, int boxColumns) =>
        new(address, rows, columns, pitch, boxRows, boxColumns, Float32, NoSwizzle, Promote128);

    /// <inheritdoc cref="TensorMap.EncodeOutput"/>
    public static TensorMapping Output(IntPtr address, long rows, long columns, long pitch, int boxRows, int boxColumns) =>
        new(address, rows, columns, pitch * 2, boxRows, boxColumns, UInt16, Swizzle128, NoPromotion);
}
