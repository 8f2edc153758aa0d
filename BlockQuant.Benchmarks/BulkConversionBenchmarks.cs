using BenchmarkDotNet.Attributes;

namespace BlockQuant.Benchmarks;

/// <summary>Each bulk conversion against the loop over its scalar conversion, on spans that stay in the cache.</summary>
[GroupBenchmarksBy(BenchmarkDotNet.Configs.BenchmarkLogicalGroupRule.ByCategory)]
[CategoriesColumn, MinColumn]
public class BulkConversionBenchmarks
{
    private const int Count = 16_384;

    private readonly float[] single = new float[Count];
    private readonly Half[] half = new Half[Count];
    private readonly BFloat16[] bfloat16 = new BFloat16[Count];
    private readonly Float8E4M3[] float8 = new Float8E4M3[Count];

    [GlobalSetup]
    public void Fill()
    {
        // Log-uniform magnitudes cover normals, subnormals and overflow, which a uniform draw would not.
        var random = new Random(1);
        for (int i = 0; i < Count; i++)
        {
            single[i] = (random.Next(2) * 2 - 1) * MathF.Pow(2, random.NextSingle() * 24 - 14);
            half[i] = (Half)single[i];
            bfloat16[i] = (BFloat16)single[i];
            float8[i] = (Float8E4M3)single[i];
        }
    }

    [Benchmark(Baseline = true), BenchmarkCategory("float8 to float32")]
    public void Float8ToSingleScalar()
    {
        for (int i = 0; i < Count; i++)
        {
            single[i] = float8[i].ToSingle();
        }
    }

    [Benchmark, BenchmarkCategory("float8 to float32")]
    public void Float8ToSingleBulk() => BulkConversion.ToSingle(float8, single);

    [Benchmark(Baseline = true), BenchmarkCategory("float8 to bfloat16")]
    public void Float8ToBFloat16Scalar()
    {
        for (int i = 0; i < Count; i++)
        {
            bfloat16[i] = float8[i].ToBFloat16();
        }
    }

    [Benchmark, BenchmarkCategory("float8 to bfloat16")]
    public void Float8ToBFloat16Bulk() => BulkConversion.ToBFloat16(float8, bfloat16);

    [Benchmark(Baseline = true), BenchmarkCategory("float8 to float16")]
    public void Float8ToHalfScalar()
    {
        for (int i = 0; i < Count; i++)
        {
            half[i] = float8[i].ToHalf();
        }
    }

    [Benchmark, BenchmarkCategory("float8 to float16")]
    public void Float8ToHalfBulk() => BulkConversion.ToHalf(float8, half);

    [Benchmark(Baseline = true), BenchmarkCategory("float32 to float8")]
    public void SingleToFloat8Scalar()
    {
        for (int i = 0; i < Count; i++)
        {
            float8[i] = Float8E4M3.FromSingle(single[i]);
        }
    }

    [Benchmark, BenchmarkCategory("float32 to float8")]
    public void SingleToFloat8Bulk() => BulkConversion.ToFloat8(single, float8);

    [Benchmark(Baseline = true), BenchmarkCategory("bfloat16 to float8")]
    public void BFloat16ToFloat8Scalar()
    {
        for (int i = 0; i < Count; i++)
        {
            float8[i] = Float8E4M3.FromBFloat16(bfloat16[i]);
        }
    }

    [Benchmark, BenchmarkCategory("bfloat16 to float8")]
    public void BFloat16ToFloat8Bulk() => BulkConversion.ToFloat8(bfloat16, float8);

    [Benchmark(Baseline = true), BenchmarkCategory("float16 to float8")]
    public void HalfToFloat8Scalar()
    {
        for (int i = 0; i < Count; i++)
        {
            float8[i] = Float8E4M3.FromHalf(half[i]);
        }
    }

    [Benchmark, BenchmarkCategory("float16 to float8")]
    public void HalfToFloat8Bulk() => BulkConversion.ToFloat8(half, float8);

    [Benchmark(Baseline = true), BenchmarkCategory("bfloat16 to float32")]
    public void BFloat16ToSingleScalar()
    {
        for (int i = 0; i < Count; i++)
        {
            single[i] = bfloat16[i].ToSingle();
        }
    }

    [Benchmark, BenchmarkCategory("bfloat16 to float32")]
    public void BFloat16ToSingleBulk() => BulkConversion.ToSingle(bfloat16, single);

    [Benchmark(Baseline = true), BenchmarkCategory("float32 to bfloat16")]
    public void SingleToBFloat16Scalar()
    {
        for (int i = 0; i < Count; i++)
        {
            bfloat16[i] = BFloat16.FromSingle(single[i]);
        }
    }

    [Benchmark, BenchmarkCategory("float32 to bfloat16")]
    public void SingleToBFloat16Bulk() => BulkConversion.ToBFloat16(single, bfloat16);

    [Benchmark(Baseline = true), BenchmarkCategory("float16 to float32")]
    public void HalfToSingleScalar()
    {
        for (int i = 0; i < Count; i++)
        {
            single[i] = (float)half[i];
        }
    }

    [Benchmark, BenchmarkCategory("float16 to float32")]
    public void HalfToSingleBulk() => BulkConversion.ToSingle(half, single);

    [Benchmark(Baseline = true), BenchmarkCategory("float32 to float16")]
    public void SingleToHalfScalar()
    {
        for (int i = 0; i < Count; i++)
        {
            half[i] = (Half)single[i];
        }
    }

    [Benchmark, BenchmarkCategory("float32 to float16")]
    public void SingleToHalfBulk() => BulkConversion.ToHalf(single, half);
}
