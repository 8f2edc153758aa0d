using System.Runtime.CompilerServices;

namespace BlockQuant.Host;

/// <summary>Dequantize, GELU with the exact error function, quantize per row and block. An item is a row.</summary>
internal static unsafe class HostGeluWork
{
    /// <summary>Quantizes the GELU of every element of <paramref name="source"/>.</summary>
    public static void Run(
        in HostOperand source, byte* codes, float* scales, ScaleGrid grid, HostFormatKind format, float minScale, VectorWidth width)
    {
        switch (width)
        {
            case VectorWidth.Bits512:
                Run<Lanes512>(source, codes, scales, grid, HostQuantizer.Of(HostElementKind.Float32, format, width), minScale);
                break;
            case VectorWidth.Bits256:
                Run<Lanes256>(source, codes, scales, grid, HostQuantizer.Of(HostElementKind.Float32, format, width), minScale);
                break;
            default:
                Run<Lanes128>(source, codes, scales, grid, HostQuantizer.Of(HostElementKind.Float32, format, width), minScale);
                break;
        }
    }

    private static void Run<TLanes>(in HostOperand source, byte* codes, float* scales, ScaleGrid grid, HostQuantizer quantizer, float minScale)
        where TLanes : unmanaged, ILanes<TLanes>
    {
        const long WorkspaceFloats = 1 << 18;
        long height = Math.Clamp(WorkspaceFloats / Math.Max(1, grid.Columns), 1, Math.Max(1, grid.Rows));
        using var space = HostWorkspace.Floats(height * grid.Columns);
        float* values = (float*)space.Start;
        for (long row = 0; row < grid.Rows; row += height)
        {
            long count = Math.Min(height, grid.Rows - row);
            ParallelRange.Run(new RowWork<TLanes>(source, values, row, grid.Columns), count, 1);
            var part = grid with { Rows = count, ScaleRows = count };
            quantizer.Quantize(space.Start, codes + row * grid.Columns, scales + row * grid.ScaleColumns, part, minScale);
        }
    }

    private readonly struct RowWork<TLanes>(HostOperand source, float* values, long firstRow, long columns) : IRangeWork
        where TLanes : unmanaged, ILanes<TLanes>
    {
        private const float InverseSqrt2 = 0.70710678f;

        private readonly HostOperand source = source;
        private readonly float* values = values;
        private readonly long firstRow = firstRow;
        private readonly long columns = columns;

        public void Run(long begin, long end)
        {
            for (long row = begin; row < end; row++)
            {
                byte* codes = source.Row(firstRow + row);
                float* rowScales = source.RowScales(firstRow + row);
                float* line = values + row * columns;
                for (long column = 0; column < columns;)
                {
                    long block = (column + source.ColumnOffset) / source.BlockColumns;
                    long edge = Math.Min(columns, (block + 1) * source.BlockColumns - source.ColumnOffset);
                    int length = (int)Math.Min(edge - column, DepthPiece.MaxLength);
                    source.Decode(codes, column, length, line + column);
                    Gelu(line + column, length, rowScales[block]);
                    column += length;
                }
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        private static void Gelu(float* run, int length, float scale)
        {
            TLanes factor = Single(scale);
            TLanes half = Single(0.5f);
            TLanes one = Single(1f);
            TLanes inverseSqrt2 = Single(InverseSqrt2);
            int index = 0;
            for (; index <= length - TLanes.Count; index += TLanes.Count)
            {
                ref int place = ref ((int*)run)[index];
                TLanes value = TLanes.MultiplySingle(TLanes.Load(ref place), factor);
                TLanes erf = LaneErrorFunction.Erf(TLanes.MultiplySingle(value, inverseSqrt2));
                TLanes.Store(TLanes.MultiplySingle(TLanes.MultiplySingle(value, half), TLanes.AddSingle(one, erf)), ref place);
            }

            for (; index < length; index++)
            {
                float value = run[index] * scale;
                run[index] = value * 0.5f * (1f + ErrorFunction.Erf(value * InverseSqrt2));
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static TLanes Single(float value) => TLanes.Create(BitConverter.SingleToInt32Bits(value));
    }
}
