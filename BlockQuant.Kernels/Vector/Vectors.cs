namespace BlockQuant.Kernels.Vector;

/// <summary>Eight bytes, read or written at once.</summary>
internal struct Vec2
{
    public int X, Y;
}

/// <summary>Sixteen bytes, read or written at once: the most that a lane can.</summary>
internal struct Vec4
{
    public int X, Y, Z, W;
}

/// <summary>Thirty-two bytes, as two accesses of sixteen.</summary>
internal struct Vec8
{
    public Vec4 Low, High;
}

/// <summary>Four values in registers.</summary>
internal struct Values4
{
    public float A, B, C, D;
}
