using System.Numerics;
using System.Text;
using BlockQuant.Kernels.Hopper.Intrinsics;

namespace BlockQuant.Kernels.Hopper.Compiler;

/// <summary>The PTX of intrinsics whose text depends on the size of their accumulator.</summary>
internal static partial class ComposedPtx
{
    /// <summary>
    /// Name of the register block that holds every unscaled product. It lives as long as the function, and the first wgmma of a
    /// product names <see cref="KeepPredicate"/> instead of a literal false, so that ptxas cannot overlap two products in registers.
    /// </summary>
    public const string ProductRegisters = "product";

    // What an intrinsic is given for the rank of another block where there is none.
    private const string NoPeer = "-1";

    /// <summary>A predicate that is always false, but not to ptxas.</summary>
    public const string KeepPredicate = "keep_product";

    /// <summary>Types of the INT8 product: its sum, left and right operand. The sum's registers hold integers.</summary>
    public const string Int8Product = "s32.s8.s8";

    /// <summary>What PTX 8.0 does not have yet.</summary>
    public const string AsyncStore = "st.async";

    private const string Float8Product = "f32.e4m3.e4m3";

    /// <summary>The text of the intrinsic <paramref name="name"/>.</summary>
    public static string Write(string name, string[][] arguments, string[] result) => name switch
    {
        nameof(Wgmma.MultiplyRows) => MultiplyRows(arguments, result, Float8Product),
        nameof(Wgmma.MultiplyScaledRows) => MultiplyRows(arguments, result, Float8Product, inRegisters: true),
        nameof(Wgmma.MultiplyRowPairs) => MultiplyRowPairs(arguments, result),
        nameof(Wgmma.MultiplyColumns) => MultiplyColumns(arguments, result, Float8Product),
        nameof(Epilogue.StageBFloat16) => StagePacked(arguments, "bf16x2"),
        nameof(Epilogue.StageHalf) => StagePacked(arguments, "f16x2"),
        nameof(Epilogue.StageSingle) => StageSingle(arguments, 0, 1),
        nameof(Epilogue.StageSwappedSingle) => StageSingle(arguments, 1, 0),
        nameof(Epilogue.StageTokensBFloat16) => StageTokens(arguments, "bf16x2"),
        nameof(Epilogue.StageTokensHalf) => StageTokens(arguments, "f16x2"),
        nameof(Epilogue.StoreTokensSingle) => StoreTokensSingle(arguments),
        nameof(Epilogue.StageColumns) => StageColumns(arguments),
        nameof(Cluster.Push) => Push(arguments),
        nameof(Cluster.Keep) => Keep(arguments),
        nameof(Cluster.SumOfParts) => SumOfParts(arguments, result),
        nameof(Int8Wgmma.MultiplyInt8Rows) => MultiplyRows(arguments, result, Int8Product),
        nameof(Int8Wgmma.MultiplyInt8Columns) => MultiplyColumns(arguments, result, Int8Product),
        nameof(QuantizingEpilogue.AddBias) => AddBias(arguments, result),
        nameof(QuantizingEpilogue.LargestOfRows) => LargestOfRows(arguments, result),
        nameof(QuantizingEpilogue.StageCodesTowardZero) => StageCodes(arguments, "rzi"),
        nameof(QuantizingEpilogue.StageCodesNearest) => StageCodes(arguments, "rni"),
        _ => throw new NotSupportedException($"No PTX for intrinsic {name}."),
    };

    private static string MultiplyRows(string[][] arguments, string[] result, string product, bool inRegisters = false)
    {
        var (acc, a, b, release) = (arguments[0], arguments[1][0], arguments[2][0], arguments[3][0]);
        string split = arguments[inRegisters ? ^2 : ^1][0], peer = inRegisters ? arguments[^1][0] : NoPeer;
        // Scales of INT8 operands always lie one behind another.
        int pitch = !inRegisters && product == Float8Product ? int.Parse(arguments[6][0]) : sizeof(float);
        int columns = 2 * acc.Length;
        Part[] parts = Parts(columns, product);
        int ahead = parts.Length > 1 && parts[1].Register > 0 ? 2 : 1;
        bool oneBlock = int.TryParse(split, out int constant) && constant >= Math.Min(columns, 128);
        int granule = columns == 256 ? 128 : (int)BigInteger.GreatestCommonDivisor(columns, 128);
        var text = new StringBuilder("{ .reg .b64 a<4>; .reg .pred on, left; .reg .f32 ");
        text.Append(inRegisters ? "l<2>, r<2>, s<2>;\n" : "m<2>, wl, wr, l<2>, r<2>, s<2>;\n");
        if (product == Int8Product)
            text.Append(".reg .f32 whole;\n");
        text.Append("setp.eq.b32 on, 0, 0;\n");
        Scales(columns == 256 || !oneBlock);
        Descriptors(text, "a", a, 4);
        for (int part = 0; part < ahead; part++)
            StartPart(parts[part]);
        for (int part = 0; part < parts.Length; part++)
        {
            text.Append($"wgmma.wait_group.sync.aligned {(part < parts.Length - 1 ? ahead - 1 : 0)};\n");
            if (part == parts.Length - 1)
                Release(text, release, parts[part].Register + parts[part].Columns / 2, everyone: !inRegisters, peer);
            for (int i = 0; i < parts[part].Columns / 2; i++)
            {
                // The split is a multiple of the granule, so a granule lies in one block; the first always in the left one, and
                // columns from 128 on always in the right one.
                int field = parts[part].First / 2 + i, column = 2 * field;
                string side = column >= 128 ? "r" : oneBlock || column < granule ? "l" : "s";
                if (side == "s" && (column % granule == 0 || i == 0))
                {
                    text.Append($"setp.gt.s32 left, {split}, {column / granule * granule}; ");
                    text.Append("selp.f32 s0, l0, r0, left; selp.f32 s1, l1, r1, left;\n");
                }
                Promote(text, parts[part].Register + i, product, result[field], $"{side}{field >> 1 & 1}", acc[field]);
            }
            if (part + ahead < parts.Length)
                StartPart(parts[part + ahead]);
        }
        return text.Append('}').ToString();

        // What a row and a weight block are multiplied by together.
        void Scales(bool twoBlocks)
        {
            string[] rows = ["m0", "m1"], blocks = ["wl", "wr"];
            if (inRegisters)
                (rows, blocks) = ([arguments[4][0], arguments[5][0]], [arguments[6][0], arguments[7][0]]);
            else
                text.Append($"ld.shared.f32 m0, [{arguments[4][0]}]; ld.shared.f32 m1, [{arguments[4][0]}+{8 * pitch}]; ld.shared.f32 wl, [{arguments[5][0]}];\n");
            text.Append($"mul.f32 l0, {rows[0]}, {blocks[0]}; mul.f32 l1, {rows[1]}, {blocks[0]};\n");
            if (!twoBlocks)
                return;
            if (!inRegisters)
                text.Append($"ld.shared.f32 wr, [{arguments[5][0]}+{pitch}]; ");
            text.Append($"mul.f32 r0, {rows[0]}, {blocks[1]}; mul.f32 r1, {rows[1]}, {blocks[1]};\n");
        }

        void StartPart(Part part)
        {
            text.Append("{ .reg .b64 b<4>;\n");
            Descriptors(text, "b", b, 4, part.First * 8);
            Start(text, part.Register, part.Columns / 2, "a", "b", 0, product);
            text.Append("}\n");
        }
    }

    // The columns that are multiplied at once. Two parts in registers of their own overlap: one is promoted while the other is
    // multiplied. That pays where promotion is long, as INT8's is, or the whole product would be one; for 256 columns of FP8 a third
    // reading of the activations from shared memory costs more than it hides.
    private static Part[] Parts(int columns, string product) => (columns, product) switch
    {
        (256, Int8Product) => [new(0, 96, 0), new(96, 80, 48), new(176, 80, 0)],
        (256, _) => [new(0, 128, 0), new(128, 128, 0)],
        (192, _) or (128, Int8Product) => [new(0, columns / 2, 0), new(columns / 2, columns / 2, columns / 4)],
        _ => [new(0, columns, 0)],
    };

    private static string MultiplyRowPairs(string[][] arguments, string[] result)
    {
        const int FirstFields = 64;
        int pitch = int.Parse(arguments[9][0]);
        var (acc, release, weightScale) = (arguments[0], arguments[5][0], arguments[8][0]);
        var text = new StringBuilder("{ .reg .b64 a<4>, b<4>, c<4>, e<4>; .reg .pred on; .reg .f32 w, s<4>; setp.eq.b32 on, 0, 0;\n");
        text.Append($"ld.shared.f32 w, [{weightScale}]; ");
        for (int part = 0; part < 2; part++)
            text.Append($"ld.shared.f32 s{2 * part}, [{arguments[6 + part][0]}]; ld.shared.f32 s{2 * part + 1}, [{arguments[6 + part][0]}+{8 * pitch}]; ");
        text.Append("mul.f32 s0, s0, w; mul.f32 s1, s1, w; mul.f32 s2, s2, w; mul.f32 s3, s3, w;\n");
        Descriptors(text, "a", arguments[1][0], 4);
        Descriptors(text, "b", arguments[2][0], 4);
        Descriptors(text, "c", arguments[3][0], 4);
        Descriptors(text, "e", arguments[4][0], 4);
        for (int part = 0; part < 2; part++)
        {
            int first = part * FirstFields, fields = part == 0 ? FirstFields : acc.Length - FirstFields;
            Product(text, fields, part == 0 ? "a" : "c", part == 0 ? "b" : "e", 0, Float8Product);
            if (part == 1)
                Release(text, release, fields, everyone: true);
            for (int i = 0; i < fields; i++)
                text.Append($"fma.rn.f32 {result[first + i]}, {ProductField(i)}, s{2 * part + (i >> 1 & 1)}, {acc[first + i]};\n");
        }
        return text.Append('}').ToString();
    }

    private static string MultiplyColumns(string[][] arguments, string[] result, string product)
    {
        var (acc, a, b, release) = (arguments[0], arguments[1][0], arguments[2][0], arguments[3][0]);
        var (tokenScales, weightScale) = (arguments[4][0], arguments[5][0]);
        int fields = acc.Length;
        var text = new StringBuilder($"{{ .reg .b64 a<4>, b<4>; .reg .pred on; .reg .f32 w, q<{fields / 2}>; setp.eq.b32 on, 0, 0;\n");
        if (product == Int8Product)
            text.Append(".reg .f32 whole;\n");
        Descriptors(text, "a", a, 4);
        Descriptors(text, "b", b, 4);
        text.Append($"ld.shared.f32 w, [{weightScale}];\n");
        for (int j = 0; j < fields / 4; j++)
            text.Append($"ld.shared.v2.f32 {{q{2 * j},q{2 * j + 1}}}, [{tokenScales}+{32 * j}];\n");
        for (int i = 0; i < fields / 2; i++)
            text.Append($"mul.f32 q{i}, q{i}, w;\n");
        Product(text, fields, 0, product);
        Release(text, release, fields, everyone: true);
        for (int i = 0; i < fields; i++)
            Promote(text, i, product, result[i], $"q{(i >> 2) * 2 + (i & 1)}", acc[i]);
        return text.Append('}').ToString();
    }

    private static string StagePacked(string[][] arguments, string type)
    {
        var (acc, row, swizzle) = (arguments[0], arguments[2][0], arguments[3][0]);
        int first = int.Parse(arguments[1][0]), end = Math.Min(first + 32, acc.Length);
        var text = new StringBuilder("{ .reg .b32 p<4>, x;\n");
        for (int i = first; i < end; i += 8)
        {
            for (int pair = 0; pair < 4; pair++)
                text.Append($"cvt.rn.{type}.f32 p{pair}, {acc[i + 2 * pair + 1]}, {acc[i + 2 * pair]};\n");
            text.Append($"xor.b32 x, {swizzle}, {(i - first) / 4 * 16}; add.s32 x, x, {row};\n");
            text.Append("stmatrix.sync.aligned.m8n8.x4.shared.b16 [x], {p0,p1,p2,p3};\n");
        }
        return text.Append('}').ToString();
    }

    private static string StageSingle(string[][] arguments, int left, int right)
    {
        var (acc, row, swizzle) = (arguments[0], arguments[2][0], arguments[3][0]);
        int first = int.Parse(arguments[1][0]), end = Math.Min(first + 16, acc.Length);
        var text = new StringBuilder("{ .reg .b32 x;\n");
        for (int i = first; i < end; i += 4)
        {
            text.Append($"xor.b32 x, {swizzle}, {(i - first) / 4 * 32}; add.s32 x, x, {row};\n");
            text.Append($"st.shared.v2.f32 [x], {{{acc[i + left]}, {acc[i + right]}}}; ");
            text.Append($"st.shared.v2.f32 [x+1024], {{{acc[i + 2 + left]}, {acc[i + 2 + right]}}};\n");
        }
        return text.Append('}').ToString();
    }

    private static string StageColumns(string[][] arguments)
    {
        var (acc, address) = (arguments[0], arguments[1][0]);
        int pitch = int.Parse(arguments[2][0]);
        var text = new StringBuilder();
        for (int i = 0; i < acc.Length; i++)
            text.Append($"st.shared.f32 [{address}+{((i >> 2) * 8 + (i & 1)) * pitch + (i >> 1 & 1) * 32}], {acc[i]};\n");
        return text.ToString().TrimEnd('\n');
    }

    // A pair of fields is a row of an 8 × 8 matrix whose columns are tokens; four matrices are both halves of sixteen tokens.
    private static string StageTokens(string[][] arguments, string type)
    {
        const int MostMatrices = 4;
        var (acc, row) = (arguments[0], arguments[1][0]);
        int matrices = Math.Min(acc.Length / 2, MostMatrices);
        var text = new StringBuilder($"{{ .reg .b32 p<{matrices}>;\n");
        for (int i = 0; i < acc.Length; i += 2 * matrices)
        {
            for (int pair = 0; pair < matrices; pair++)
                text.Append($"cvt.rn.{type}.f32 p{pair}, {acc[i + 2 * pair + 1]}, {acc[i + 2 * pair]};\n");
            string pairs = string.Join(",", Enumerable.Range(0, matrices).Select(pair => $"p{pair}"));
            text.Append($"stmatrix.sync.aligned.m8n8.x{matrices}.trans.shared.b16 [{row}+{i * 64}], {{{pairs}}};\n");
        }
        return text.Append('}').ToString();
    }

    private static string StoreTokensSingle(string[][] arguments)
    {
        var (acc, target, pitch, tokens, rows) = (arguments[0], arguments[1][0], arguments[2][0], arguments[3][0], arguments[4][0]);
        var text = new StringBuilder("{ .reg .pred low, high, P; .reg .b64 first, second, step; mov.b64 first, ");
        text.Append($"{target}; add.s64 second, first, {pitch}; shl.b64 step, {pitch}, 3; setp.gt.s32 low, {rows}, 0; setp.gt.s32 high, {rows}, 8;\n");
        for (int i = 0; i < acc.Length; i += 2)
        {
            string half = (i & 2) == 0 ? "low" : "high";
            string offset = (i & 2) == 0 ? "" : "+32";
            for (int token = 0; token < 2; token++)
            {
                text.Append($"setp.gt.and.s32 P, {tokens}, {i / 4 * 8 + token}, {half}; ");
                text.Append($"@P st.global.f32 [{(token == 0 ? "first" : "second")}{offset}], {acc[i + token]};\n");
            }
            if ((i & 2) != 0)
                text.Append("add.s64 first, first, step; add.s64 second, second, step;\n");
        }
        return text.Append('}').ToString();
    }

    private static string Push(string[][] arguments)
    {
        var (acc, address, rank, barrier) = (arguments[0], arguments[1][0], arguments[2][0], arguments[3][0]);
        var text = new StringBuilder("{ .reg .b32 to, at, e<4>; ");
        text.Append($"mapa.shared::cluster.u32 to, {address}, {rank}; mapa.shared::cluster.u32 at, {barrier}, {rank};\n");
        for (int i = 0; i < acc.Length; i += 4)
        {
            text.Append($"mov.b32 e0, {acc[i]}; mov.b32 e1, {acc[i + 1]}; mov.b32 e2, {acc[i + 2]}; mov.b32 e3, {acc[i + 3]};\n");
            text.Append($"{AsyncStore}.weak.shared::cluster.mbarrier::complete_tx::bytes.v4.b32 [to+{i * 128}], {{e0,e1,e2,e3}}, [at];\n");
        }
        return text.Append('}').ToString();
    }

    private static string Keep(string[][] arguments)
    {
        var (acc, address) = (arguments[0], arguments[1][0]);
        var text = new StringBuilder();
        for (int i = 0; i < acc.Length; i += 4)
            text.Append($"st.shared.v4.f32 [{address}+{i * 128}], {{{acc[i]}, {acc[i + 1]}, {acc[i + 2]}, {acc[i + 3]}}};\n");
        return text.ToString().TrimEnd('\n');
    }

    private static string SumOfParts(string[][] arguments, string[] result)
    {
        var (acc, address, own, parts) = (arguments[0], arguments[1][0], arguments[2][0], arguments[3][0]);
        var text = new StringBuilder($"{{ .reg .pred P; .reg .b32 part, at; .reg .f32 e<4>, s<{acc.Length}>; mov.u32 part, 0; mov.b32 at, {address};\n");
        for (int i = 0; i < acc.Length; i++)
            text.Append($"mov.f32 s{i}, 0f00000000;\n");
        text.Append($"NEXT: setp.eq.u32 P, part, {own}; @P bra OWN;\n");
        for (int i = 0; i < acc.Length; i += 4)
        {
            text.Append($"ld.shared.v4.f32 {{e0,e1,e2,e3}}, [at+{i * 128}];\n");
            for (int k = 0; k < 4; k++)
                text.Append($"add.f32 s{i + k}, s{i + k}, e{k};{(k < 3 ? " " : "\n")}");
        }
        text.Append($"add.u32 at, at, {acc.Length * 128}; bra DONE; OWN:\n");
        for (int i = 0; i < acc.Length; i++)
            text.Append($"add.f32 s{i}, s{i}, {acc[i]};\n");
        text.Append($"DONE: add.u32 part, part, 1; setp.lt.u32 P, part, {parts}; @P bra NEXT;\n");
        for (int i = 0; i < acc.Length; i++)
            text.Append($"mov.f32 {result[i]}, s{i};\n");
        return text.Append('}').ToString();
    }

    // Descriptors of the k-steps, 32 bytes apart. Only the low word changes.
    private static void Descriptors(StringBuilder text, string name, string first, int count, int offset = 0)
    {
        text.Append("{ .reg .b32 low;\n");
        for (int k = 0; k < count; k++)
            text.Append($"add.s32 low, {first}, {offset + k * 2}; mov.b64 {name}{k}, {{low, {Wgmma.DescriptorHigh}}};\n");
        text.Append("}\n");
    }

    // Four k-steps of 32, from descriptors a0… and b(first)…, waited for.
    private static void Product(StringBuilder text, int fields, int first, string product) => Product(text, fields, "a", "b", first, product);

    private static void Product(StringBuilder text, int fields, string a, string b, int first, string product)
    {
        Start(text, 0, fields, a, b, first, product);
        text.Append("wgmma.wait_group.sync.aligned 0;\n");
    }

    private static void Start(StringBuilder text, int register, int fields, string a, string b, int first, string product)
    {
        string registers = string.Join(",", Enumerable.Range(register, fields).Select(ProductField));
        text.Append("wgmma.fence.sync.aligned;\n");
        for (int k = 0; k < 4; k++)
        {
            text.Append($"wgmma.mma_async.sync.aligned.m64n{fields * 2}k32.{product} {{{registers}}}, ");
            text.Append($"{a}{k}, {b}{first + k}, {(k == 0 ? KeepPredicate : "on")}{(product == Float8Product ? ", 1, 1" : "")};\n");
        }
        text.Append("wgmma.commit_group.sync.aligned;\n");
    }

    private static void Promote(StringBuilder text, int field, string product, string result, string scale, string acc)
    {
        string value = ProductField(field);
        if (product == Int8Product)
        {
            text.Append($"cvt.rn.f32.s32 whole, {value};\n");
            value = "whole";
        }
        text.Append($"fma.rn.f32 {result}, {value}, {scale}, {acc};\n");
    }

    // The arrival depends, formally, on the product's last register: without that ptxas moves it above the product, and the
    // producer overwrites a stage still being read. Where each lane has read scales beside the operands each arrives, which takes no longer:
    // one that arrived for the others would do, but race checkers do not see that these have read before.
    private static void Release(StringBuilder text, string barrier, int fields, bool everyone, string peer = NoPeer)
    {
        text.Append("{ .reg .pred P, Q; .reg .b32 d; ");
        text.Append($"mov.b32 d, {ProductField(fields - 1)}; setp.ne.b32 Q, d, 0x7fdeadbe; ");
        text.Append(everyone ? "mov.pred P, Q; " : "elect.sync _|P, 0xffffffff; and.pred P, P, Q; ");
        text.Append($"@P mbarrier.arrive.shared::cta.b64 _, [{barrier}]; ");
        if (peer != NoPeer)
            text.Append($".reg .b32 far; mapa.shared::cluster.u32 far, {barrier}, {peer}; @P mbarrier.arrive.shared::cluster.b64 _, [far]; ");
        text.Append("}\n");
    }

    private static string ProductField(int field) => ProductRegisters + field;

    // Columns from First on, whose product is in registers from Register on.
    private readonly record struct Part(int First, int Columns, int Register);
}
