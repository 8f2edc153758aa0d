namespace BlockQuant.Storage;

/// <summary>One tensor of a safetensors file, as its header describes it.</summary>
public sealed class TensorInfo
{
    internal TensorInfo(string name, string dtypeName, long[] shape, long offset, long byteLength)
    {
        Name = name;
        DTypeName = dtypeName;
        DType = SafetensorsElement.FromName(dtypeName);
        Shape = shape;
        Offset = offset;
        ByteLength = byteLength;
    }

    /// <summary>The tensor's name, for example <c>model.layers.0.mlp.down_proj.weight</c>.</summary>
    public string Name { get; }

    /// <summary>The element type; <see cref="SafetensorsDType.Unknown"/> if this library does not know it.</summary>
    public SafetensorsDType DType { get; }

    /// <summary>The element type as the header spells it, for example <c>F8_E4M3</c>.</summary>
    public string DTypeName { get; }

    /// <summary>The extents, outermost first; empty for a scalar.</summary>
    public long[] Shape { get; }

    /// <summary>Where the tensor's bytes begin, counted from the start of the file.</summary>
    public long Offset { get; }

    /// <summary>How many bytes the tensor takes.</summary>
    public long ByteLength { get; }

    /// <summary>Name, type and shape, for example <c>'x' F32 [3, 4]</c>.</summary>
    public override string ToString() => $"'{Name}' {DTypeName} [{string.Join(", ", Shape)}]";
}
