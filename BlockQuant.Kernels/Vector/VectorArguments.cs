using ILGPU;

namespace BlockQuant.Kernels.Vector;

/// <summary>Arguments of every vector kernel.</summary>
internal struct VectorArguments
{
    /// <summary>Values or codes, from a multiple of 16 bytes on.</summary>
    public ArrayView<Vec4> Source;

    /// <summary>The scales of source codes; empty for values.</summary>
    public ArrayView<float> SourceScales;

    /// <summary>Codes or values, from a multiple of 16 bytes on.</summary>
    public ArrayView<Vec4> Output;

    /// <summary>The scales of output codes; empty for values.</summary>
    public ArrayView<float> OutputScales;

    /// <summary>The output row of each source row, negative for none; empty where rows keep their places.</summary>
    public ArrayView<int> Places;

    /// <summary>Columns of the matrix.</summary>
    public long Columns;

    /// <summary>Elements of the matrix.</summary>
    public long Length;
}
