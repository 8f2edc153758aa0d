namespace BlockQuant.Kernels.Hopper;

/// <summary>A matmul's parameters as <see cref="FusedDecodeKernel"/> takes them, in its order.</summary>
internal struct FusedMatmulArguments
{
    public long Output;
    public long OutputPitch;
    public int OutputType;

    /// <summary>An <see cref="OutputStore"/>.</summary>
    public int Store;
    public long Activations;
    public long ActivationPitch;
    public long WeightScales;
    public int Rows;
    public int Columns;
    public int Depth;

    /// <summary>Whether weights are constant.</summary>
    public int Early;

    /// <summary>The parameters of a call: pitches in bytes.</summary>
    public static FusedMatmulArguments Of(in MatmulCall call)
    {
        var decode = MatmulArguments.Of(call);
        return new FusedMatmulArguments
        {
            Output = decode.Output,
            OutputPitch = decode.OutputPitch,
            OutputType = decode.OutputType,
            Store = decode.Store,
            Activations = call.Activations,
            ActivationPitch = call.ActivationPitch * sizeof(ushort),
            WeightScales = decode.WeightScales,
            Rows = decode.Rows,
            Columns = decode.Columns,
            Depth = decode.Depth,
            Early = decode.Last,
        };
    }
}
