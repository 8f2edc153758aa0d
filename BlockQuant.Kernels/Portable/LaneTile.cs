namespace BlockQuant.Kernels.Portable;

/// <summary>
/// The 8×4 outputs that one lane accumulates, as named fields: ILGPU keeps a struct passed by value in registers, but neither an array with a
/// running index nor a loop around one.
/// </summary>
internal struct LaneTile
{
    public float C00, C01, C02, C03;
    public float C10, C11, C12, C13;
    public float C20, C21, C22, C23;
    public float C30, C31, C32, C33;
    public float C40, C41, C42, C43;
    public float C50, C51, C52, C53;
    public float C60, C61, C62, C63;
    public float C70, C71, C72, C73;

    /// <summary>The outer product of one column of A and one row of B, added.</summary>
    public static LaneTile MultiplyAdd(LaneTile t, float a0, float a1, float a2, float a3, float a4, float a5, float a6, float a7, float b0, float b1, float b2, float b3)
    {
        t.C00 += a0 * b0;
        t.C01 += a0 * b1;
        t.C02 += a0 * b2;
        t.C03 += a0 * b3;
        t.C10 += a1 * b0;
        t.C11 += a1 * b1;
        t.C12 += a1 * b2;
        t.C13 += a1 * b3;
        t.C20 += a2 * b0;
        t.C21 += a2 * b1;
        t.C22 += a2 * b2;
        t.C23 += a2 * b3;
        t.C30 += a3 * b0;
        t.C31 += a3 * b1;
        t.C32 += a3 * b2;
        t.C33 += a3 * b3;
        t.C40 += a4 * b0;
        t.C41 += a4 * b1;
        t.C42 += a4 * b2;
        t.C43 += a4 * b3;
        t.C50 += a5 * b0;
        t.C51 += a5 * b1;
        t.C52 += a5 * b2;
        t.C53 += a5 * b3;
        t.C60 += a6 * b0;
        t.C61 += a6 * b1;
        t.C62 += a6 * b2;
        t.C63 += a6 * b3;
        t.C70 += a7 * b0;
        t.C71 += a7 * b1;
        t.C72 += a7 * b2;
        t.C73 += a7 * b3;
        return t;
    }

    /// <summary>Adds a block's partial sums, scaled by their row and column.</summary>
    public static LaneTile Promote(LaneTile t, LaneTile partial, Lane8 row, Lane4 column)
    {
        t.C00 += partial.C00 * row.V0 * column.V0;
        t.C01 += partial.C01 * row.V0 * column.V1;
        t.C02 += partial.C02 * row.V0 * column.V2;
        t.C03 += partial.C03 * row.V0 * column.V3;
        t.C10 += partial.C10 * row.V1 * column.V0;
        t.C11 += partial.C11 * row.V1 * column.V1;
        t.C12 += partial.C12 * row.V1 * column.V2;
        t.C13 += partial.C13 * row.V1 * column.V3;
        t.C20 += partial.C20 * row.V2 * column.V0;
        t.C21 += partial.C21 * row.V2 * column.V1;
        t.C22 += partial.C22 * row.V2 * column.V2;
        t.C23 += partial.C23 * row.V2 * column.V3;
        t.C30 += partial.C30 * row.V3 * column.V0;
        t.C31 += partial.C31 * row.V3 * column.V1;
        t.C32 += partial.C32 * row.V3 * column.V2;
        t.C33 += partial.C33 * row.V3 * column.V3;
        t.C40 += partial.C40 * row.V4 * column.V0;
        t.C41 += partial.C41 * row.V4 * column.V1;
        t.C42 += partial.C42 * row.V4 * column.V2;
        t.C43 += partial.C43 * row.V4 * column.V3;
        t.C50 += partial.C50 * row.V5 * column.V0;
        t.C51 += partial.C51 * row.V5 * column.V1;
        t.C52 += partial.C52 * row.V5 * column.V2;
        t.C53 += partial.C53 * row.V5 * column.V3;
        t.C60 += partial.C60 * row.V6 * column.V0;
        t.C61 += partial.C61 * row.V6 * column.V1;
        t.C62 += partial.C62 * row.V6 * column.V2;
        t.C63 += partial.C63 * row.V6 * column.V3;
        t.C70 += partial.C70 * row.V7 * column.V0;
        t.C71 += partial.C71 * row.V7 * column.V1;
        t.C72 += partial.C72 * row.V7 * column.V2;
        t.C73 += partial.C73 * row.V7 * column.V3;
        return t;
    }

    /// <summary>Adds one value to each column.</summary>
    public static LaneTile AddColumns(LaneTile t, Lane4 column)
    {
        t.C00 += column.V0;
        t.C01 += column.V1;
        t.C02 += column.V2;
        t.C03 += column.V3;
        t.C10 += column.V0;
        t.C11 += column.V1;
        t.C12 += column.V2;
        t.C13 += column.V3;
        t.C20 += column.V0;
        t.C21 += column.V1;
        t.C22 += column.V2;
        t.C23 += column.V3;
        t.C30 += column.V0;
        t.C31 += column.V1;
        t.C32 += column.V2;
        t.C33 += column.V3;
        t.C40 += column.V0;
        t.C41 += column.V1;
        t.C42 += column.V2;
        t.C43 += column.V3;
        t.C50 += column.V0;
        t.C51 += column.V1;
        t.C52 += column.V2;
        t.C53 += column.V3;
        t.C60 += column.V0;
        t.C61 += column.V1;
        t.C62 += column.V2;
        t.C63 += column.V3;
        t.C70 += column.V0;
        t.C71 += column.V1;
        t.C72 += column.V2;
        t.C73 += column.V3;
        return t;
    }

    /// <summary>One row of the tile; the index need not be constant.</summary>
    public readonly Lane4 Row(int row) => row switch
    {
        0 => new Lane4 { V0 = C00, V1 = C01, V2 = C02, V3 = C03 },
        1 => new Lane4 { V0 = C10, V1 = C11, V2 = C12, V3 = C13 },
        2 => new Lane4 { V0 = C20, V1 = C21, V2 = C22, V3 = C23 },
        3 => new Lane4 { V0 = C30, V1 = C31, V2 = C32, V3 = C33 },
        4 => new Lane4 { V0 = C40, V1 = C41, V2 = C42, V3 = C43 },
        5 => new Lane4 { V0 = C50, V1 = C51, V2 = C52, V3 = C53 },
        6 => new Lane4 { V0 = C60, V1 = C61, V2 = C62, V3 = C63 },
        _ => new Lane4 { V0 = C70, V1 = C71, V2 = C72, V3 = C73 },
    };
}

/// <summary>One value for each row of a lane's tile.</summary>
internal struct Lane8
{
    public float V0, V1, V2, V3, V4, V5, V6, V7;
}

/// <summary>One value for each column of a lane's tile.</summary>
internal struct Lane4
{
    public float V0, V1, V2, V3;
}
