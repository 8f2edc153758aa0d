namespace BlockQuant.Kernels.Hopper;

/// <summary>How a kernel writes its output; the kernels take the number.</summary>
internal enum OutputStore
{
    /// <summary>Element by element.</summary>
    Elements = 0,

    /// <summary>Sixteen bytes a lane.</summary>
    Vectors = 1,

    /// <summary>By the copy engine, beside the next tile's product.</summary>
    Boxes = 2,
}
