namespace BlockQuant.Kernels.Hopper.Intrinsics;

internal static partial class Int8Wgmma
{
    public static partial TAcc MultiplyInt8Rows<TAcc>(TAcc acc, int a, int b, int release, int rowScales, int weightScales, int split)
        where TAcc : unmanaged
        => Wgmma.AddRows(acc, a, b, release, rowScales, weightScales, sizeof(float), split, BlockProduct.Int8);

    public static partial TAcc MultiplyInt8Columns<TAcc>(TAcc acc, int a, int b, int release, int tokenScales, int weightScale)
        where TAcc : unmanaged
        => Wgmma.AddColumns(acc, a, b, release, tokenScales, weightScale, BlockProduct.Int8);
}
