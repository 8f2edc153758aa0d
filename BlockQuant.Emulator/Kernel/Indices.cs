namespace ILGPU;

/// <summary>A one-dimensional extent or index.</summary>
/// <param name="X">The value.</param>
public readonly record struct Index1D(int X)
{
    /// <summary>Wraps an integer.</summary>
    /// <param name="x">The value.</param>
    public static implicit operator Index1D(int x) => new(x);

    /// <summary>Unwraps the integer.</summary>
    /// <param name="index">The index.</param>
    public static implicit operator int(Index1D index) => index.X;
}

/// <summary>A three-dimensional extent or index.</summary>
/// <param name="X">The fastest running dimension.</param>
/// <param name="Y">The second dimension.</param>
/// <param name="Z">The slowest dimension.</param>
public readonly record struct Index3D(int X, int Y, int Z)
{
    /// <summary>Makes an index of three integers.</summary>
    /// <param name="xyz">The values of x, y and z.</param>
    public static implicit operator Index3D((int X, int Y, int Z) xyz) => new(xyz.X, xyz.Y, xyz.Z);

    /// <summary>The product of the three dimensions.</summary>
    public long LongSize => (long)X * Y * Z;

    /// <inheritdoc/>
    public override string ToString() => $"({X}, {Y}, {Z})";
}
