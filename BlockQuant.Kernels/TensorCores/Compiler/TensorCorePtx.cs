using System.Text;
using BlockQuant.Kernels.TensorCores.Intrinsics;

namespace BlockQuant.Kernels.TensorCores.Compiler;

/// <summary>The PTX of products whose text depends on how their operands lie in registers.</summary>
internal static class TensorCorePtx
{
    /// <summary>The text of the intrinsic <paramref name="name"/>.</summary>
    public static string Write(string name, string[][] arguments, string[] result) => name switch
    {
        nameof(TensorCore.MultiplyFloat16) => Multiply("f16", arguments, result),
        nameof(TensorCore.MultiplyBFloat16) => Multiply("bf16", arguments, result),
        _ => throw new NotSupportedException($"No PTX for intrinsic {name}."),
    };

    // One instruction for each four neighbours of a lane's fragments.
    private static string Multiply(string type, string[][] arguments, string[] result)
    {
        (string[] acc, string[] upper, string[] lower, string[] column) = (arguments[0], arguments[1], arguments[2], arguments[3]);
        var text = new StringBuilder("{ .reg .b32 a<4>, b<2>; .reg .f32 c<4>; .reg .b16 l, h; .reg .f32 x, y;\n");
        text.Append($"mov.b32 c0, {acc[0]}; mov.b32 c1, {acc[1]}; mov.b32 c2, {acc[2]}; mov.b32 c3, {acc[3]};\n");
        int steps = IsCodes(upper) ? upper.Length : upper.Length / 2;
        for (int step = 0; step < steps; step++)
        {
            Expand(text, type, upper, step, "a0", "a2");
            Expand(text, type, lower, step, "a1", "a3");
            Expand(text, type, column, step, "b0", "b1");
            text.Append($"mma.sync.aligned.m16n8k16.row.col.f32.{type}.{type}.f32 {{c0,c1,c2,c3}}, {{a0,a1,a2,a3}}, {{b0,b1}}, {{c0,c1,c2,c3}};\n");
        }

        text.Append($"mov.f32 {result[0]}, c0; mov.f32 {result[1]}, c1; mov.f32 {result[2]}, c2; mov.f32 {result[3]}, c3; }}");
        return text.ToString();
    }

    // Codes fill a register by fours, 16-bit elements by twos; fragments have 4 or 16 elements.
    private static bool IsCodes(string[] fragment) => fragment.Length is 1 or 4;

    private static void Expand(StringBuilder text, string type, string[] fragment, int step, string first, string second)
    {
        if (!IsCodes(fragment))
        {
            text.Append($"mov.b32 {first}, {fragment[2 * step]}; mov.b32 {second}, {fragment[2 * step + 1]};\n");
            return;
        }

        text.Append($"mov.b32 {{l, h}}, {fragment[step]}; cvt.rn.f16x2.e4m3x2 {first}, l; cvt.rn.f16x2.e4m3x2 {second}, h;\n");
        if (type == "bf16")
        {
            foreach (string pair in new[] { first, second })
            {
                text.Append($"mov.b32 {{l, h}}, {pair}; cvt.f32.f16 x, l; cvt.f32.f16 y, h; cvt.rn.bf16x2.f32 {pair}, y, x;\n");
            }
        }
    }
}
