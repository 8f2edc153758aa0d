using BlockQuant.Kernels.Hopper.Intrinsics;
using BlockQuant.Kernels.TensorCores.Intrinsics;

namespace BlockQuant.Kernels.TensorCores.Lora;

/// <summary>Where the rows lie that a lane of a shrink reads: two tokens', two of the weights, and the scales of the sums it holds.</summary>
internal struct ShrinkRows
{
    public long Upper, Lower, Left, Right;
    public long UpperScale, LowerScale, Scale0, Scale1, Scale8, Scale9;

    /// <summary>−1 where a row exists, 0 where it does not.</summary>
    public int HasUpper, HasLower, HasLeft, HasRight;

    /// <param name="a">The call.</param>
    /// <param name="weights">The weights.</param>
    /// <param name="rows">The tile's tokens.</param>
    /// <param name="left">The lane's first weight row; its second is eight rows on.</param>
    /// <param name="column">The weight row of its first sum; the others are 1, 8 and 9 rows on.</param>
    /// <param name="row">The place of its first token; its second is eight on.</param>
    public static ShrinkRows Of(LoraCall a, SliceParameter weights, TokenRows rows, int left, int column, int row)
    {
        long values = weights.Values + rows.Adapter * weights.AdapterPitch, scales = weights.Scales + rows.Adapter * weights.ScaleAdapterPitch;
        int upper = rows.Token(a, row), lower = rows.Token(a, row + 8);
        return new ShrinkRows
        {
            Left = Pin.Int64(values + left * weights.RowPitch),
            Right = Pin.Int64(values + (left + 8) * weights.RowPitch),
            HasLeft = left - weights.Rows >> 31,
            HasRight = left + 8 - weights.Rows >> 31,
            Scale0 = Pin.Int64(scales + weights.ScaleRow(column)),
            Scale1 = Pin.Int64(scales + weights.ScaleRow(column + 1)),
            Scale8 = Pin.Int64(scales + weights.ScaleRow(column + 8)),
            Scale9 = Pin.Int64(scales + weights.ScaleRow(column + 9)),
            Upper = Pin.Int64(a.Input + upper * a.InputPitch),
            Lower = Pin.Int64(a.Input + lower * a.InputPitch),
            HasUpper = ~upper >> 31,
            HasLower = ~lower >> 31,
            UpperScale = Pin.Int64(a.InputScales + upper * a.InputScalePitch),
            LowerScale = Pin.Int64(a.InputScales + lower * a.InputScalePitch),
        };
    }
}

/// <summary>A lane's share of one block of 128 along K, in two halves of 64, and the block's scales.</summary>
internal struct ShrinkBlock<TX, TW>
    where TX : unmanaged
    where TW : unmanaged
{
    public TW Left0, Left1, Right0, Right1;
    public TX Upper0, Upper1, Lower0, Lower1;
    public float UpperScale, LowerScale, Scale0, Scale1, Scale8, Scale9;

    /// <param name="a">The call.</param>
    /// <param name="weights">The weights.</param>
    /// <param name="rows">The lane's rows.</param>
    /// <param name="first">The lane's first column; beyond the last column everything is zeros.</param>
    public static ShrinkBlock<TX, TW> Load<TXFragment, TWFragment>(LoraCall a, SliceParameter weights, ShrinkRows rows, int first)
        where TXFragment : struct, IFragment<TX>
        where TWFragment : struct, IFragment<TW>
    {
        int has0 = first - weights.Columns >> 31, has1 = first + 64 - weights.Columns >> 31;
        long atWeight = (long)first * TWFragment.ElementBytes, atInput = (long)first * TXFragment.ElementBytes;
        long weightStep = (long)(first >> 7) * weights.ScaleStep, inputStep = (long)(first >> 7) * a.InputScaleStep;

        // A lane's sums are of the whole block, also where its own columns are past the end.
        int exists = (first >> 7 << 7) - weights.Columns >> 31;
        int scaled = exists & (weights.Scales != 0 ? -1 : 0), scaledInput = exists & (a.InputScales != 0 ? -1 : 0);
        return new ShrinkBlock<TX, TW>
        {
            Left0 = TWFragment.Load(rows.Left + atWeight, rows.HasLeft & has0),
            Right0 = TWFragment.Load(rows.Right + atWeight, rows.HasRight & has0),
            Left1 = TWFragment.Load(rows.Left + atWeight + 64 * TWFragment.ElementBytes, rows.HasLeft & has1),
            Right1 = TWFragment.Load(rows.Right + atWeight + 64 * TWFragment.ElementBytes, rows.HasRight & has1),
            Upper0 = TXFragment.Load(rows.Upper + atInput, rows.HasUpper & has0),
            Lower0 = TXFragment.Load(rows.Lower + atInput, rows.HasLower & has0),
            Upper1 = TXFragment.Load(rows.Upper + atInput + 64 * TXFragment.ElementBytes, rows.HasUpper & has1),
            Lower1 = TXFragment.Load(rows.Lower + atInput + 64 * TXFragment.ElementBytes, rows.HasLower & has1),
            Scale0 = GlobalMemory.LoadScale(rows.Scale0 + weightStep, scaled),
            Scale1 = GlobalMemory.LoadScale(rows.Scale1 + weightStep, scaled),
            Scale8 = GlobalMemory.LoadScale(rows.Scale8 + weightStep, scaled),
            Scale9 = GlobalMemory.LoadScale(rows.Scale9 + weightStep, scaled),
            UpperScale = GlobalMemory.LoadScale(rows.UpperScale + inputStep, scaledInput & rows.HasUpper),
            LowerScale = GlobalMemory.LoadScale(rows.LowerScale + inputStep, scaledInput & rows.HasLower),
        };
    }
}
