using System.Text;
using BlockQuant.Kernels.TensorCores.Intrinsics;

namespace BlockQuant.Kernels.TensorCores.Compiler;

/// <summary>The PTX of <see cref="WarpTile"/>.</summary>
internal static class WarpTilePtx
{
    /// <summary>The text of the intrinsic <paramref name="name"/>.</summary>
    public static string Write(string name, string[][] arguments, string[] result)
    {
        bool float8 = name == nameof(WarpTile.MultiplyFloat8);
        string[] acc = arguments[0];
        (string activations, string activationSwizzle, string weights) = (arguments[1][0], arguments[2][0], arguments[3][0]);
        (string weightSwizzle, string rowScales, string weightScale) = (arguments[4][0], arguments[5][0], arguments[6][0]);
        int rowTiles = acc.Length == 64 ? 2 : 1, columnGroups = rowTiles;
        int tiles = rowTiles * columnGroups * 4;
        var text = new StringBuilder($"{{ .reg .f32 c<{4 * tiles}>, s<{2 * rowTiles}>, w; .reg .b32 a<{4 * rowTiles}>, b<{8 * columnGroups}>, x, o;\n");
        text.Append(float8 ? "" : $".reg .b32 t, n, h, ah<{8 * rowTiles}>, bh<4>;\n");
        for (int i = 0; i < 4 * tiles; i++)
        {
            text.Append($"mov.f32 c{i}, 0f00000000;{(i % 8 == 7 ? '\n' : ' ')}");
        }

        // A step of 32 along K: two chunks. ldmatrix gives each lane four codes of a row where it would give two 16-bit elements.
        for (int step = 0; step < 4; step++)
        {
            for (int row = 0; row < rowTiles; row++)
            {
                text.Append($"xor.b32 x, {activationSwizzle}, {step * 32}; add.s32 x, x, {activations};\n");
                text.Append($"ldmatrix.sync.aligned.m8n8.x4.shared.b16 {{a{4 * row},a{4 * row + 1},a{4 * row + 2},a{4 * row + 3}}}, [x+{row * 2048}];\n");
            }

            for (int pair = 0; pair < 2 * columnGroups; pair++)
            {
                // Tiles 2p and 2p + 1 of a group of 32 rows: four rows further on, two places of the swizzle stay the same.
                int group = pair / 2, second = pair % 2, b = 4 * pair;
                text.Append($"xor.b32 x, {weightSwizzle}, {step * 32}; add.s32 x, x, {weights};\n");
                text.Append($"ldmatrix.sync.aligned.m8n8.x4.shared.b16 {{b{b},b{b + 1},b{b + 2},b{b + 3}}}, [x+{group * 4096 + second * 512}];\n");
            }

            if (float8)
            {
                MultiplyFloat8(text, rowTiles, columnGroups);
            }
            else
            {
                MultiplyFloat16(text, rowTiles, columnGroups);
            }
        }

        text.Append($"ld.shared.f32 w, [{weightScale}];\n");
        for (int i = 0; i < 2 * rowTiles; i++)
        {
            text.Append($"ld.shared.f32 s{i}, [{rowScales}+{i * 32}]; mul.f32 s{i}, s{i}, w;\n");
        }

        for (int i = 0; i < 4 * tiles; i++)
        {
            int row = i / (columnGroups * 16);
            text.Append($"fma.rn.f32 {result[i]}, c{i}, s{2 * row + (i >> 1 & 1)}, {acc[i]};\n");
        }

        return text.Append('}').ToString();
    }

    private static void MultiplyFloat8(StringBuilder text, int rowTiles, int columnGroups)
    {
        for (int row = 0; row < rowTiles; row++)
        {
            for (int column = 0; column < 4 * columnGroups; column++)
            {
                string c = Sums(row * 4 * columnGroups + column);
                text.Append($"mma.sync.aligned.m16n8k32.row.col.f32.e4m3.e4m3.f32 {c}, ");
                text.Append($"{{a{4 * row},a{4 * row + 1},a{4 * row + 2},a{4 * row + 3}}}, {{b{2 * column},b{2 * column + 1}}}, {c};\n");
            }
        }
    }

    // Four codes of a lane are places 2q, 2q + 1, 2q + 8 and 2q + 9 of a float16 step, in both operands.
    private static void MultiplyFloat16(StringBuilder text, int rowTiles, int columnGroups)
    {
        for (int i = 0; i < 4 * rowTiles; i++)
        {
            Expand(text, $"a{i}", $"ah{2 * i}", $"ah{2 * i + 1}");
        }

        for (int column = 0; column < 4 * columnGroups; column++)
        {
            Expand(text, $"b{2 * column}", "bh0", "bh1");
            Expand(text, $"b{2 * column + 1}", "bh2", "bh3");
            for (int row = 0; row < rowTiles; row++)
            {
                string c = Sums(row * 4 * columnGroups + column);
                int a = 8 * row;
                text.Append("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 ");
                text.Append($"{c}, {{ah{a},ah{a + 2},ah{a + 1},ah{a + 3}}}, {{bh0,bh1}}, {c};\n");
                text.Append("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 ");
                text.Append($"{c}, {{ah{a + 4},ah{a + 6},ah{a + 5},ah{a + 7}}}, {{bh2,bh3}}, {c};\n");
            }
        }
    }

    // Exponent and mantissa of e4m3, moved to float16's places, are 2^-8 of the value, subnormals too. Only 0x7F, which is no number, needs more.
    private static void Expand(StringBuilder text, string codes, string first, string second)
    {
        foreach ((string target, string select) in new[] { (first, "0x1404"), (second, "0x3424") })
        {
            text.Append($"prmt.b32 t, {codes}, 0, {select}; and.b32 n, t, 0x7f007f00; shr.u32 h, n, 1; and.b32 t, t, 0x80008000; or.b32 h, h, t;\n");
            text.Append("mov.b32 t, 0x5c005c00; mul.rn.f16x2 h, h, t; add.u32 n, n, 0x01000100; and.b32 n, n, 0x80008000; shr.u32 t, n, 6;\n");
            text.Append($"sub.u32 n, n, t; or.b32 {target}, h, n;\n");
        }
    }

    private static string Sums(int tile) => $"{{c{4 * tile},c{4 * tile + 1},c{4 * tile + 2},c{4 * tile + 3}}}";
}
