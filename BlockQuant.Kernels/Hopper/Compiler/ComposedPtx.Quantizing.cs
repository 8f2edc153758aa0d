using System.Text;

namespace BlockQuant.Kernels.Hopper.Compiler;

/// <content>The epilogue of an INT8 product: bias, largest magnitudes, codes.</content>
internal static partial class ComposedPtx
{
    private static string AddBias(string[][] arguments, string[] result)
    {
        var (acc, bias, columns) = (arguments[0], arguments[1][0], arguments[2][0]);
        var text = new StringBuilder("{ .reg .pred P; .reg .f32 v;\n");
        for (int i = 0; i < acc.Length; i += 4)
        {
            for (int column = 0; column < 2; column++)
            {
                int offset = 2 * i + column, upper = i + column, lower = upper + 2;
                text.Append($"setp.gt.s32 P, {columns}, {offset}; mov.f32 v, 0f00000000; @P ld.global.nc.f32 v, [{bias}+{4 * offset}];\n");
                text.Append($"add.rn.f32 {result[upper]}, {acc[upper]}, v; add.rn.f32 {result[lower]}, {acc[lower]}, v;\n");
            }
        }
        return text.Append('}').ToString();
    }

    private static string LargestOfRows(string[][] arguments, string[] result)
    {
        var (acc, columns) = (arguments[0], arguments[2][0]);
        int first = int.Parse(arguments[1][0]);
        var text = new StringBuilder("{ .reg .pred P; .reg .f32 v, m<2>; .reg .b32 x;\nmov.f32 m0, 0f00000000; mov.f32 m1, 0f00000000;\n");
        for (int i = 0; i < 64; i += 4)
        {
            for (int column = 0; column < 2; column++)
            {
                text.Append($"setp.gt.s32 P, {columns}, {2 * i + column};\n");
                for (int row = 0; row < 2; row++)
                    text.Append($"abs.f32 v, {acc[first + i + column + 2 * row]}; @P max.NaN.f32 m{row}, m{row}, v;\n");
            }
        }
        for (int row = 0; row < 2; row++)
        {
            // Bits of magnitudes order as they do, those of a NaN above all.
            text.Append($"mov.b32 {result[row]}, m{row};\n");
            foreach (int distance in new[] { 1, 2 })
                text.Append($"shfl.sync.bfly.b32 x, {result[row]}, {distance}, 0x1f, 0xffffffff; max.s32 {result[row]}, {result[row]}, x;\n");
        }
        return text.Append('}').ToString();
    }

    // Markstein's division: the reciprocal, then two corrections by the residual.
    private static string StageCodes(string[][] arguments, string rounding)
    {
        var (acc, address, swizzle) = (arguments[0], arguments[2][0], arguments[3][0]);
        int first = int.Parse(arguments[1][0]);
        var text = new StringBuilder("{ .reg .f32 n<2>, q, r, d; .reg .b32 a, c<2>; .reg .b16 h;\n");
        for (int row = 0; row < 2; row++)
            text.Append($"neg.f32 n{row}, {arguments[5 + 2 * row][0]};\n");
        for (int i = 0; i < 64; i += 4)
        {
            text.Append($"xor.b32 a, {swizzle}, {i / 8 * 16}; add.s32 a, a, {address};\n");
            for (int row = 0; row < 2; row++)
            {
                var (scale, reciprocal) = (arguments[4 + 2 * row][0], arguments[5 + 2 * row][0]);
                for (int column = 0; column < 2; column++)
                {
                    string value = acc[first + i + column + 2 * row];
                    text.Append($"mul.rn.f32 q, {value}, {reciprocal}; neg.f32 d, {value};\n");
                    for (int correction = 0; correction < 2; correction++)
                        text.Append($"fma.rn.f32 r, q, {scale}, d; fma.rn.f32 q, r, n{row}, q;\n");
                    text.Append($"cvt.{rounding}.s32.f32 c{column}, q;\n");
                }
                text.Append($"cvt.pack.sat.s8.s32.b32 c0, c1, c0, 0; cvt.u16.u32 h, c0; st.shared.b16 [a+{row * 1024 + i % 8 * 2}], h;\n");
            }
        }
        return text.Append('}').ToString();
    }
}
