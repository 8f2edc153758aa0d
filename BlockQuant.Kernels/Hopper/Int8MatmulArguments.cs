namespace BlockQuant.Kernels.Hopper;

/// <summary>
/// An INT8 matmul's parameters as <see cref="Int8PrefillKernel"/> and <see cref="Int8DecodeKernel"/> take them, beside those they share
/// with FP8.
/// </summary>
internal struct Int8MatmulArguments
{
    /// <summary>The parameters in common; the output type is the form.</summary>
    public MatmulArguments Product;
    public long Bias;
    public long OutputScales;

    /// <summary>The parameters of a call: pitches in bytes.</summary>
    public static Int8MatmulArguments Of(in Int8MatmulCall call)
    {
        bool quantizes = call.OutputScales != 0;
        int elementBytes = quantizes ? 1 : call.Product.ElementBytes;
        var product = MatmulArguments.Of(call.Product);
        product.OutputPitch = call.Product.OutputPitch * elementBytes;
        product.Store = (int)MatmulArguments.PlainStore(call.Product, elementBytes);
        if (quantizes)
            product.OutputType = call.Nearest ? 1 : 0;
        return new Int8MatmulArguments { Product = product, Bias = call.Bias, OutputScales = call.OutputScales };
    }
}
