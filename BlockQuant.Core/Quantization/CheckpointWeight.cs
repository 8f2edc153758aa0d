using BlockQuant.Storage;

namespace BlockQuant;

/// <summary>Finds a quantized weight and its scales in a checkpoint and tells from their shapes how it was quantized.</summary>
internal static class CheckpointWeight
{
    private const string ScaleSuffix = "_scale_inv";
    private const string WeightSuffix = ".weight";
    private const int UsualBlock = 128;

    /// <summary>The name of the scales of a weight.</summary>
    public static string ScaleNameOf(string weightName) => weightName + ScaleSuffix;

    public static QuantizedMatrix Read(ITensorSource source, string name, BlockShape? block)
    {
        TensorInfo weight = source.TryGet(name, out TensorInfo? exact) ? exact
            : source.TryGet(name + WeightSuffix, out TensorInfo? ofModule) ? ofModule
            : throw new SafetensorsException($"{source.Path} has neither a tensor '{name}' nor '{name}{WeightSuffix}'.");
        if (FormatOf(weight) is null)
        {
            throw new SafetensorsException($"{source.Path}: weight {weight} is not quantized; expected F8_E4M3 or I8.");
        }

        if (weight.Shape is not [long rows, long columns])
        {
            throw new SafetensorsException($"{source.Path}: weight {weight} is not a matrix; expected [N, K].");
        }

        if (!source.TryGet(ScaleNameOf(weight.Name), out TensorInfo? scale))
        {
            throw new SafetensorsException($"{source.Path} has no tensor '{ScaleNameOf(weight.Name)}'.");
        }

        return new QuantizedMatrix(
            source.Read<byte>(weight.Name), rows, columns, source.Read<float>(scale.Name), SchemeOf(source.Path, weight, scale, block));
    }

    /// <summary>The format of a weight's codes, or null if it is not quantized.</summary>
    public static ElementFormat? FormatOf(TensorInfo weight) => weight.DType switch
    {
        SafetensorsDType.Float8E4M3 => ElementFormat.Float8E4M3,
        SafetensorsDType.Int8 => ElementFormat.Int8,
        _ => null,
    };

    /// <summary>How a quantized matrix was quantized, told from the shapes of it and of its scales.</summary>
    /// <exception cref="SafetensorsException">No block fits.</exception>
    public static QuantizationScheme SchemeOf(string path, TensorInfo weight, TensorInfo scale, BlockShape? block)
    {
        ElementFormat format = FormatOf(weight)!.Value;
        (long rows, long columns) = (weight.Shape[0], weight.Shape[1]);
        QuantizationScheme usual = new(format, ScaleGranularity.Block, block ?? new BlockShape(UsualBlock, UsualBlock));
        QuantizationScheme? scheme = usual.ScaleShape(rows, columns) is var grid && scale.Shape.AsSpan().SequenceEqual([grid.Rows, grid.Columns]) ? usual
            : block is null ? Infer(format, rows, columns, scale.Shape)
            : null;
        return scheme ?? throw new SafetensorsException(
            $"{path}: scales {scale} do not fit weight {weight}; expected [{grid.Rows}, {grid.Columns}] for {usual.Block} blocks.");
    }

    private static QuantizationScheme? Infer(ElementFormat format, long rows, long columns, long[] scale)
    {
        if (scale.All(extent => extent == 1))
        {
            return new(format, ScaleGranularity.Tensor);
        }

        if ((scale is [long only] && only == rows) || (scale is [long first, 1] && first == rows))
        {
            return new(format, ScaleGranularity.Channel);
        }

        return scale is [long scaleRows, long scaleColumns]
            && InferExtent(rows, scaleRows) is int blockRows
            && InferExtent(columns, scaleColumns) is int blockColumns
                ? new(format, ScaleGranularity.Block, new BlockShape(blockRows, blockColumns))
                : null;
    }

    private static int? InferExtent(long extent, long scales)
    {
        IEnumerable<int> candidates = Enumerable.Range(0, 31).Select(power => 1 << power).Prepend(UsualBlock);
        if (scales > 0 && extent % scales == 0 && extent / scales is > 0 and <= int.MaxValue)
        {
            candidates = candidates.Append((int)(extent / scales));
        }

        foreach (int candidate in candidates)
        {
            if (new BlockShape(candidate, 1).ScaleRows(extent) == scales)
            {
                return candidate;
            }
        }

        return null;
    }
}
