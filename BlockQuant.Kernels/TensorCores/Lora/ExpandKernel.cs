using BlockQuant.Kernels.Hopper;
using BlockQuant.Kernels.Hopper.Intrinsics;
using BlockQuant.Kernels.TensorCores.Intrinsics;
using ILGPU;

namespace BlockQuant.Kernels.TensorCores.Lora;

/// <summary>
/// output[t, columns of s] (+)= y[s, t] · B_s[adapter of t]ᵀ. A warp multiplies 16 tokens with 32 rows of B, its output columns, which go to the
/// tensor core's columns in such an order that every lane holds eight neighbours of an output row.
/// </summary>
/// <remarks>
/// Method: that of <see cref="Portable.LoraExpandKernel"/>: the sum with the output is made in float32 and rounded once.
/// </remarks>
internal static class ExpandKernel
{
    /// <summary>Warps of a group, side by side.</summary>
    public const int Warps = 4;

    /// <summary>Output columns of a warp's tile.</summary>
    public const int TileN = 32;

    public static void Run<TX, TXFragment, TW, TWFragment, TProduct>(LoraCall a)
        where TX : unmanaged
        where TXFragment : struct, IFragment<TX>
        where TW : unmanaged
        where TWFragment : struct, IFragment<TW>
        where TProduct : struct, IProductType
    {
        SliceParameter weights = SliceParameter.Read(Grid.IdxZ);
        int lane = Group.IdxX & 31, column0 = (Grid.IdxY * Warps * a.Turns + Warpgroup.Warp()) * TileN;
        if (a.Early != 0)
        {
            TokenRows expected = TokenRows.Find(a, Grid.IdxX);
            if (expected.Adapter >= 0)
            {
                Prefetch(weights, expected.Adapter, column0 + lane);
            }
        }

        DependentLaunch.Wait();
        DependentLaunch.Trigger();
        TokenRows rows = TokenRows.Find(a, Grid.IdxX);
        if (rows.Count <= 0 || rows.Adapter < 0)
        {
            return;
        }

        int row = lane >> 2, quarter = lane & 3, slice = a.FirstSlice + Grid.IdxZ;
        long values = Pin.Int64(weights.Values + rows.Adapter * weights.AdapterPitch);
        long scales = Pin.Int64(weights.Scales + rows.Adapter * weights.ScaleAdapterPitch);

        // Weights depend on the adapter alone: they are on their way before the tokens are known.
        Prefetch(weights, rows.Adapter, column0 + lane);
        int upperToken = rows.Token(a, row), lowerToken = rows.Token(a, row + 8);
        int hasUpper = ~upperToken >> 31, hasLower = ~lowerToken >> 31;
        long input = a.Input + slice * a.InputSlicePitch, inputScales = a.InputScales + slice * a.InputScaleSlicePitch;
        long upper = Pin.Int64(input + upperToken * a.InputPitch), lower = Pin.Int64(input + lowerToken * a.InputPitch);
        long upperScale = Pin.Int64(inputScales + upperToken * a.InputScalePitch);
        long lowerScale = Pin.Int64(inputScales + lowerToken * a.InputScalePitch);
        int hasInputScales = a.InputScales != 0 ? 1 : 0;
        long output = a.Output + weights.OutputColumn * (a.OutputType == (int)OutputType.Single ? 4 : 2);

        // Column 2i + b of the tensor core's tile j is output column 8i + 2j + b. The weights of the next step are on their
        // way while this one's are multiplied and its sums written.
        var sums0 = default(Acc4);
        var sums1 = default(Acc4);
        var sums2 = default(Acc4);
        var sums3 = default(Acc4);
        int chunk = 4 * TWFragment.Elements, chunks = (weights.Columns + chunk - 1) / chunk, steps = a.Turns * chunks;
        int k = 0, tileRow = (row >> 1) * 8 + (row & 1), inQuarter = quarter * TWFragment.Elements;
        long advance = chunk * TWFragment.ElementBytes, wrap = Pin.Int64(Warps * TileN * weights.RowPitch - (chunks - 1) * advance);
        long rowPair = Pin.Int64(2 * weights.RowPitch);
        long address = Pin.Int64(values + (column0 + tileRow) * weights.RowPitch + inQuarter * TWFragment.ElementBytes);
        long upperOutput = Pin.Int64(output + upperToken * a.OutputPitch), lowerOutput = Pin.Int64(output + lowerToken * a.OutputPitch);
        int exists = inQuarter - weights.Columns >> 31, missing = column0 + tileRow - weights.Rows;
        TW weights0 = TWFragment.Load(address, exists & missing >> 31);
        TW weights1 = TWFragment.Load(address + rowPair, exists & missing + 2 >> 31);
        TW weights2 = TWFragment.Load(address + 2 * rowPair, exists & missing + 4 >> 31);
        TW weights3 = TWFragment.Load(address + 3 * rowPair, exists & missing + 6 >> 31);
        float scale = LoadScale(weights, scales, column0 + lane, 0);
        for (int step = 0; step < steps && column0 < weights.Rows; step++)
        {
            long offset = (long)(k + inQuarter) * TXFragment.ElementBytes, inputStep = (long)(k >> 7) * a.InputScaleStep;
            TX upperInput = TXFragment.Load(upper + offset, hasUpper & exists);
            TX lowerInput = TXFragment.Load(lower + offset, hasLower & exists);
            float upperFactor = GlobalMemory.LoadScale(upperScale + inputStep, hasInputScales & hasUpper);
            float lowerFactor = GlobalMemory.LoadScale(lowerScale + inputStep, hasInputScales & hasLower);
            bool isLast = k + chunk >= weights.Columns;
            int nextK = isLast ? 0 : k + chunk, nextColumn = isLast ? column0 + Warps * TileN : column0;
            nextColumn = step + 1 < steps ? nextColumn : weights.Rows;
            address += isLast ? wrap : advance;
            exists = nextK + inQuarter - weights.Columns >> 31;
            missing = nextColumn + tileRow - weights.Rows;
            TW next0 = TWFragment.Load(address, exists & missing >> 31);
            TW next1 = TWFragment.Load(address + rowPair, exists & missing + 2 >> 31);
            TW next2 = TWFragment.Load(address + 2 * rowPair, exists & missing + 4 >> 31);
            TW next3 = TWFragment.Load(address + 3 * rowPair, exists & missing + 6 >> 31);
            float nextScale = LoadScale(weights, scales, nextColumn + lane, nextK);
            Acc8 factors = Lanes.Neighbours(scale, quarter * 8);
            Acc4 low = factors.Low, high = factors.High;
            sums0 = Sums.Promote(sums0, TProduct.Multiply(default, upperInput, lowerInput, weights0), upperFactor, lowerFactor, low.E0, low.E1);
            sums1 = Sums.Promote(sums1, TProduct.Multiply(default, upperInput, lowerInput, weights1), upperFactor, lowerFactor, low.E2, low.E3);
            sums2 = Sums.Promote(sums2, TProduct.Multiply(default, upperInput, lowerInput, weights2), upperFactor, lowerFactor, high.E0, high.E1);
            sums3 = Sums.Promote(sums3, TProduct.Multiply(default, upperInput, lowerInput, weights3), upperFactor, lowerFactor, high.E2, high.E3);
            if (isLast)
            {
                int column = column0 + quarter * 8, count = weights.Rows - column;
                Write(a, Upper(sums0, sums1, sums2, sums3), upperOutput, column, hasUpper & count);
                Write(a, Lower(sums0, sums1, sums2, sums3), lowerOutput, column, hasLower & count);
                sums0 = default;
                sums1 = default;
                sums2 = default;
                sums3 = default;
            }

            (weights0, weights1, weights2, weights3, scale) = (next0, next1, next2, next3, nextScale);
            (k, column0) = (nextK, nextColumn);
        }
    }

    private static float LoadScale(SliceParameter weights, long scales, int row, int k)
        => GlobalMemory.LoadScale(scales + weights.ScaleRow(row) + (long)(k >> 7) * weights.ScaleStep, weights.Scales != 0 ? 1 : 0);

    // Brings the beginning of a row of weights to the cache, at most as much of it as a rank of 64 has.
    private static void Prefetch(SliceParameter weights, int adapter, int row)
        => GlobalMemory.Prefetch(weights.Values + adapter * weights.AdapterPitch + row * weights.RowPitch, row - weights.Rows >> 31);

    private static Acc8 Upper(Acc4 sums0, Acc4 sums1, Acc4 sums2, Acc4 sums3) => new()
    {
        Low = new Acc4 { E0 = sums0.E0, E1 = sums0.E1, E2 = sums1.E0, E3 = sums1.E1 },
        High = new Acc4 { E0 = sums2.E0, E1 = sums2.E1, E2 = sums3.E0, E3 = sums3.E1 },
    };

    private static Acc8 Lower(Acc4 sums0, Acc4 sums1, Acc4 sums2, Acc4 sums3) => new()
    {
        Low = new Acc4 { E0 = sums0.E2, E1 = sums0.E3, E2 = sums1.E2, E3 = sums1.E3 },
        High = new Acc4 { E0 = sums2.E2, E1 = sums2.E3, E2 = sums3.E2, E3 = sums3.E3 },
    };

    private static void Write(LoraCall a, Acc8 values, long row, int column, int count)
    {
        int vector = a.Vector & 7 - count >> 31;
        if (a.OutputType == (int)OutputType.BFloat16)
        {
            long target = row + column * 2L;
            if (a.Add != 0)
            {
                values = Add(values, OutputRow.LoadBFloat16(target, count, vector));
            }

            OutputRow.StoreBFloat16(values, target, count, vector);
        }
        else if (a.OutputType == (int)OutputType.Half)
        {
            long target = row + column * 2L;
            if (a.Add != 0)
            {
                values = Add(values, OutputRow.LoadHalf(target, count, vector));
            }

            OutputRow.StoreHalf(values, target, count, vector);
        }
        else
        {
            long target = row + column * 4L;
            if (a.Add != 0)
            {
                values = Add(values, OutputRow.LoadSingle(target, count, vector));
            }

            OutputRow.StoreSingle(values, target, count, vector);
        }
    }

    private static Acc8 Add(Acc8 left, Acc8 right) => new() { Low = Add(left.Low, right.Low), High = Add(left.High, right.High) };

    private static Acc4 Add(Acc4 left, Acc4 right) => new()
    {
        E0 = left.E0 + right.E0,
        E1 = left.E1 + right.E1,
        E2 = left.E2 + right.E2,
        E3 = left.E3 + right.E3,
    };
}
