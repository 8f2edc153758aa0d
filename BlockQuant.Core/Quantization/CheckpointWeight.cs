using BlockQuant.Storage;

namespace BlockQuant;

/// <summary>Finds a quantized weight and its scales in a checkpoint and tells from their shapes how it was quantized.</summary>
internal static class CheckpointWeight
{
    private const string ScaleSuffix = "_scale_inv";
    private const string WeightSuffix = ".weight";
    private const int UsualBlock = 128;

    public static QuantizedMatrix Read(SafetensorsFile file, string name, BlockShape? block)
    {
        TensorInfo weight = file.TryGet(name, out TensorInfo? exact) ? exact
            : file.TryGet(name + WeightSuffix, out TensorInfo? ofModule) ? ofModule
            : throw new SafetensorsException($"{file.Path} has neither a tensor '{name}' nor '{name}{WeightSuffix}'.");
        ElementFormat format = weight.DType switch
        {
            SafetensorsDType.Float8E4M3 => ElementFormat.Float8E4M3,
            SafetensorsDType.Int8 => ElementFormat.Int8,
            _ => throw new SafetensorsException($"{file.Path}: weight {weight} is not quantized; expected F8_E4M3 or I8."),
        };
        if (weight.Shape is not [long rows, long columns])
        {
            throw new SafetensorsException($"{file.Path}: weight {weight} is not a matrix; expected [N, K].");
        }

        TensorInfo scale = file.Get(weight.Name + ScaleSuffix);
        QuantizationScheme usual = new(format, ScaleGranularity.Block, block ?? new BlockShape(UsualBlock, UsualBlock));
        QuantizationScheme? scheme = usual.ScaleShape(rows, columns) is var grid && scale.Shape.AsSpan().SequenceEqual([grid.Rows, grid.Columns]) ? usual
            : block is null ? Infer(format, rows, columns, scale.Shape)
            : null;
        return scheme is not null
            ? new QuantizedMatrix(file.Read<byte>(weight.Name), rows, columns, file.Read<float>(scale.Name), scheme)
            : throw new SafetensorsException(
                $"{file.Path}: scales {scale} do not fit weight {weight}; expected [{grid.Rows}, {grid.Columns}] for {usual.Block} blocks.");
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
