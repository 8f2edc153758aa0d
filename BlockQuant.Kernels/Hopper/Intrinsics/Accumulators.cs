namespace BlockQuant.Kernels.Hopper.Intrinsics;

// One lane's share of a warpgroup's 64-row accumulator tile: N / 2 float32 registers for N columns. Field 4j + e of lane l holds
// row 16 * warp + l / 4 + 8 * (e / 2) and column 8 * j + 2 * (l % 4) + e % 2. ILGPU keeps a struct of floats in registers, also
// across loops, where an array would go to local memory.

internal struct Acc4
{
    public float E0, E1, E2, E3;
}

internal struct Acc8
{
    public Acc4 Low, High;
}

internal struct Acc16
{
    public Acc8 Low, High;
}

internal struct Acc32
{
    public Acc16 Low, High;
}

internal struct Acc64
{
    public Acc32 Low, High;
}

internal struct Acc72
{
    public Acc64 Low;
    public Acc8 High;
}

internal struct Acc96
{
    public Acc64 Low;
    public Acc32 High;
}

internal struct Acc128
{
    public Acc64 Low, High;
}
