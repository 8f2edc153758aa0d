using System.Runtime.InteropServices;
using BlockQuant.Kernels.Hopper;
using BlockQuant.Scheduling;

namespace BlockQuant.Tests.Emulator;

/// <summary>A small block-scaled FP8 or INT8 matmul, and what a Hopper kernel makes of it to the bit.</summary>
/// <remarks>
/// FP8 codes are integers up to 8 unless asked otherwise, so that the product of 128 of them is exact in any order, as that of any INT8
/// codes is; scales are arbitrary. Rows are padded with codes that are NaN, or 127 as INT8, which no result may see.
/// </remarks>
internal sealed record HopperProblem(HopperPlan Plan, int M, int N, int K, OutputType Output)
{
    private const byte NotANumber = 0x7F;

    /// <summary>Whether the scales of a column block lie side by side.</summary>
    public bool ColumnMajorScales { get; init; }

    /// <summary>Elements that an output row is longer than N: 0 and multiples of 8 let the kernels store 16 bytes at a time.</summary>
    public int OutputPadding { get; init; } = 8;

    /// <summary>The codes' largest magnitude.</summary>
    public int LargestCode { get; init; } = 8;

    /// <summary>Whether codes are INT8, of any value.</summary>
    public bool IsInt8 { get; init; }

    /// <summary>Added to every row, [N]; empty for none.</summary>
    public float[] Bias { get; init; } = [];

    public int Blocks => (K + 127) / 128;

    public int WeightBlocks => (N + 127) / 128;

    /// <summary>Codes from one row to the next.</summary>
    public int CodePitch { get; init; } = (K + 31) / 16 * 16;

    public int OutputPitch => N + OutputPadding;

    public int ElementBytes => Output == OutputType.Single ? 4 : 2;

    public byte[] Activations => Codes(M, 1);

    public byte[] Weights => Codes(N, 2);

    /// <summary>[M, blocks], or its transpose where <see cref="ColumnMajorScales"/>.</summary>
    public float[] ActivationScales
    {
        get
        {
            float[] scales = Scales(M * Blocks, 3);
            return ColumnMajorScales ? Enumerable.Range(0, scales.Length).Select(i => scales[i % M * Blocks + i / M]).ToArray() : scales;
        }
    }

    public float[] WeightScales => Scales(WeightBlocks * Blocks, 4);

    /// <summary>The operands as the reference takes them.</summary>
    public (QuantizedMatrix Activations, QuantizedMatrix Weights) Matrices =>
        (new QuantizedMatrix(Packed(Activations, M), M, K, Scales(M * Blocks, 3), QuantizationScheme.Fp8TokenGroup128),
            new QuantizedMatrix(Packed(Weights, N), N, K, WeightScales, QuantizationScheme.Fp8Block128));

    /// <summary>[M, N] as stored.</summary>
    public float[] Expected() => Array.ConvertAll(Unrounded(), Rounded);

    /// <summary>
    /// [M, N] before it is stored: each part of K in float32, block after block, the two scales multiplied first; parts added in order.
    /// </summary>
    public float[] Unrounded()
    {
        byte[] activations = Activations, weights = Weights;
        float[] rowScales = Scales(M * Blocks, 3), weightScales = WeightScales;
        var expected = new float[M * N];
        for (int i = 0; i < expected.Length; i++)
        {
            int m = i / N, n = i % N;
            // Of 64 weight rows two warpgroups take turns.
            int turns = Plan.TileN == 64 && Plan.Kind == HopperKernelKind.Decode ? 2 : 1;
            for (int number = 0; number < Plan.SplitK * turns; number++)
            {
                int rank = number / turns;
                float part = 0;
                for (int block = Blocks * rank / Plan.SplitK + number % turns; block < Blocks * (rank + 1) / Plan.SplitK; block += turns)
                {
                    float product = 0;
                    for (int k = block * 128; k < Math.Min(block * 128 + 128, K); k++)
                        product += Value(activations[m * CodePitch + k]) * Value(weights[n * CodePitch + k]);
                    part = MathF.FusedMultiplyAdd(product, rowScales[m * Blocks + block] * weightScales[n / 128 * Blocks + block], part);
                }
                expected[i] += part;
            }
            expected[i] += Bias.Length > 0 ? Bias[n] : 0;
        }
        return expected;
    }

    /// <summary>The elements of stored rows as numbers.</summary>
    public float[] Decode(ReadOnlySpan<byte> stored)
    {
        if (Output == OutputType.Single)
            return MemoryMarshal.Cast<byte, float>(stored).ToArray();
        ushort[] bits = MemoryMarshal.Cast<byte, ushort>(stored).ToArray();
        return Array.ConvertAll(bits, b => Output == OutputType.Half ? HalfCodec.Decode(b) : BFloat16Codec.Decode(b));
    }

    /// <summary>A number as stored.</summary>
    public float Rounded(float value) => Output switch
    {
        OutputType.BFloat16 => BFloat16Codec.Decode(BFloat16Codec.Encode(value)),
        OutputType.Half => HalfCodec.Decode(HalfCodec.Encode(value)),
        _ => value,
    };

    private float Value(byte code) => IsInt8 ? (sbyte)code : Float8Codec.Decode(code);

    private byte Code(Random random) =>
        IsInt8 ? (byte)random.Next() : (byte)Float8Codec.EncodeSaturating(random.Next(-LargestCode, LargestCode + 1));

    private byte[] Codes(int rows, int seed)
    {
        var random = new Random(seed);
        var codes = new byte[rows * CodePitch];
        for (int i = 0; i < codes.Length; i++)
            codes[i] = i % CodePitch < K ? Code(random) : NotANumber;
        return codes;
    }

    private static float[] Scales(int count, int seed)
    {
        var random = new Random(seed);
        return Enumerable.Range(0, count).Select(_ => 0.01f + random.NextSingle() / 20).ToArray();
    }

    private byte[] Packed(byte[] codes, int rows) =>
        Enumerable.Range(0, rows).SelectMany(row => codes.AsSpan(row * CodePitch, K).ToArray()).ToArray();
}
