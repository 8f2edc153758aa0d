using BlockQuant.Reference;
using BlockQuant.Scheduling;
using FsCheck;
using FsCheck.Fluent;

namespace BlockQuant.Tests.Operators;

/// <summary>The dense FP8 product of full-precision activations: what quantizing them first gives, to the bit.</summary>
[TestFixture(false)]
[TestFixture(true)]
internal sealed class QuantizingMultiplicationTests(bool onHost)
{
    private static readonly Lazy<ComputeDevice> Host = new(() => ComputeDevice.Create(DeviceKind.Cpu));

    private static readonly Arbitrary<Case> Cases = (
        from m in Gen.OneOf(Gen.Choose(1, 33), Gen.Choose(60, 70))
        from n in Gen.Choose(1, 150)
        from k in Gen.OneOf(Gen.Choose(1, 300), Gen.Choose(1, 20).Select(chunks => 16 * chunks))
        from kinds in Gen.Choose(0, 8)
        from spoiled in Gen.Choose(0, 2)
        from seed in Gen.Choose(0, 1_000_000)
        select new Case(m, n, k, kinds, spoiled == 0, seed)).ToArbitrary();

    private ComputeDevice Device => onHost ? Host.Value : TestDevice.Shared;

    [OneTimeTearDown]
    public void Close()
    {
        if (onHost && Host.IsValueCreated)
        {
            Host.Value.Dispose();
        }
    }

    [Test]
    public void Products_of_ragged_shapes_are_those_of_quantized_activations()
        => Prop.ForAll(Cases, Check).Check(Properties.Cases(24));

    // Whole tiles and token groups, one token, a depth that ends inside a group, many blocks of K.
    [TestCase(16, 256, 512)]
    [TestCase(1, 130, 384)]
    [TestCase(7, 129, 144)]
    [TestCase(3, 64, 1664)]
    public void Every_kind_of_activation_and_output_gives_what_quantized_activations_give(int m, int n, int k)
    {
        for (int kinds = 0; kinds < 9; kinds++)
        {
            Check(new Case(m, TestDevice.IsSlow ? Math.Min(n, 40) : n, k, kinds, kinds % 2 == 0, 17 + kinds));
        }
    }

    // Tokens inside a tile and on its edges; splits of K; a depth inside a block.
    [Test]
    public void Quantizing_in_the_products_kernel_gives_the_same_bits([Values(1, 8, 9, 16)] int m, [Values(144, 1664)] int k)
    {
        const int N = 200;
        var random = new Random(m + k);
        BFloat16[] values = Array.ConvertAll(RandomData.Normal(random, m * k), BFloat16.FromSingle);
        values[^1] = BFloat16.FromSingle(float.PositiveInfinity);
        using DeviceMatrix<BFloat16> x = Device.Upload<BFloat16>(values, m, k);
        using QuantizedDeviceMatrix<Float8E4M3> weights = Weights(random, N, k, QuantizationScheme.Fp8Block128);
        var inside = new TilePlanOverrides { FuseQuantization = true };
        var ahead = new TilePlanOverrides { FuseQuantization = false };
        if (Device.Traits is not { Kind: DeviceKind.Cuda, ComputeCapability: 90 })
        {
            Refuses(() => Device.Fp8.Multiply<BFloat16, float>(x, weights, inside), "tile plan: activations cannot be quantized in the product's kernel, because");
            return;
        }

        IsSame<float>();
        IsSame<BFloat16>();
        IsSame<Half>();

        void IsSame<TOutput>()
            where TOutput : unmanaged
        {
            using DeviceMatrix<TOutput> expected = Device.Fp8.Multiply<BFloat16, TOutput>(x, weights, ahead);
            using DeviceMatrix<TOutput> found = Device.Fp8.Multiply<BFloat16, TOutput>(x, weights, inside);
            Bits(found).Should().Equal(Bits(expected));
        }
    }

    [TestCase(ScaleGranularity.Tensor)]
    [TestCase(ScaleGranularity.Channel)]
    public void Weights_may_have_scales_of_any_granularity(ScaleGranularity granularity)
        => Compare<float, Half>(new Case(5, 20, 200, 0, false, 4), new QuantizationScheme(ElementFormat.Float8E4M3, granularity), value => value);

    [Test]
    public void A_workspace_may_start_anywhere_and_what_lies_behind_it_stays()
    {
        const int M = 5, N = 33, K = 144;
        using DeviceMatrix<float> x = Device.Upload<float>(RandomData.Normal(new Random(1), M * K), M, K);
        using QuantizedDeviceMatrix<Float8E4M3> weights = Weights(new Random(2), N, K, QuantizationScheme.Fp8Block128);
        using DeviceMatrix<float> expected = Device.Fp8.Multiply<float, float>(x, weights);
        using var c = new DeviceMatrix<float>(Device, M, N);
        int length = (int)Fp8Operators.MultiplyWorkspaceLength(M, K);
        for (int start = 0; start < 4; start++)
        {
            using DeviceBuffer<int> memory = Device.Upload<int>(Enumerable.Repeat(-77, length + 8).ToArray());
            Device.Fp8.Multiply(x.View, weights.View, c.View, memory.View.SubView(start, length));
            c.ToArray().Should().Equal(expected.ToArray());
            int[] after = memory.ToArray();
            after.Where((_, i) => i < start || i >= start + length).Should().OnlyContain(value => value == -77);
        }
    }

    [TestCase(0, 8, 256)]
    [TestCase(4, 0, 256)]
    [TestCase(3, 5, 0)]
    public void Empty_dimensions_give_an_empty_result_or_zeros(int m, int n, int k)
    {
        using DeviceMatrix<float> x = Device.Upload<float>(new float[m * k], m, k);
        using DeviceMatrix<float> w = Device.Upload<float>(new float[n * k], n, k);
        using QuantizedDeviceMatrix<Float8E4M3> weights = Device.Fp8.Quantize(w, QuantizationScheme.Fp8Block128);
        using DeviceMatrix<float> c = Device.Fp8.Multiply<float, float>(x, weights);
        c.ToArray().Should().Equal(new float[m * n]);
    }

    [Test]
    public void Bad_operands_are_refused()
    {
        using DeviceMatrix<float> x = Device.Upload<float>(new float[4 * 256], 4, 256);
        using QuantizedDeviceMatrix<Float8E4M3> weights = Weights(new Random(3), 8, 256, QuantizationScheme.Fp8Block128);
        using QuantizedDeviceMatrix<Float8E4M3> shallow = Weights(new Random(3), 8, 128, QuantizationScheme.Fp8Block128);
        using var c = new DeviceMatrix<float>(Device, 4, 8);
        using DeviceBuffer<int> memory = Device.Upload<int>(new int[600]);
        ILGPU.ArrayView<int> workspace = memory.View.SubView(0, Fp8Operators.MultiplyWorkspaceLength(4, 256));

        Refuses(() => Device.Fp8.Multiply(x.View, shallow.View, c.View, workspace), "weights: shape [8, 128]; expected [N, 256], the K of activations [4, 256]");
        Refuses(() => Device.Fp8.Multiply(x.View, weights.View, x.View, workspace), "output: shape [4, 256]; expected [4, 8]");
        Refuses(() => Device.Fp8.Multiply(x.View, weights.View, c.View, memory.View.SubView(0, 266)), "workspace: length 266; expected at least 267");
        Refuses(
            () => Device.Fp8.Multiply(x.View, weights.View, new MatrixView<float>(memory.View.SubView(250, 32).Cast<float>(), 4, 8), workspace),
            "output: overlaps workspace");
        Refuses(
            () => Device.Fp8.Multiply(x.View, weights.View, new MatrixView<float>(x.View.Data.SubView(0, 32), 4, 8), workspace), "output: overlaps activations");
        Refuses(
            () => Device.Fp8.Multiply(new MatrixView<float>(memory.View.SubView(100, 500).Cast<float>().SubView(0, 256), 1, 256), weights.View, new MatrixView<float>(c.View.Data.SubView(0, 8), 1, 8), workspace),
            "workspace: overlaps activations");
        Refuses(
            () => Device.Fp8.Multiply(new MatrixView<int>(memory.View.SubView(0, 256), 1, 256), weights.View, c.View, workspace),
            "activations: element type Int32; expected BFloat16, Half or Single");
        Refuses(() => Device.Fp8.Multiply(x.View, default, c.View, workspace), "weights");
        Refuses(() => Device.Fp8.Multiply<float, float>(null!, weights), "activations");
        FluentActions.Invoking(() => Fp8Operators.MultiplyWorkspaceLength(-1, 4)).Should().Throw<ArgumentOutOfRangeException>();
    }

    private void Check(Case c)
    {
        QuantizationScheme scheme = QuantizationScheme.Fp8Block128;
        switch (c.Kinds)
        {
            case 0: Compare<BFloat16, BFloat16>(c, scheme, BFloat16.FromSingle); break;
            case 1: Compare<BFloat16, Half>(c, scheme, BFloat16.FromSingle); break;
            case 2: Compare<BFloat16, float>(c, scheme, BFloat16.FromSingle); break;
            case 3: Compare<Half, BFloat16>(c, scheme, value => (Half)value); break;
            case 4: Compare<Half, Half>(c, scheme, value => (Half)value); break;
            case 5: Compare<Half, float>(c, scheme, value => (Half)value); break;
            case 6: Compare<float, BFloat16>(c, scheme, value => value); break;
            case 7: Compare<float, Half>(c, scheme, value => value); break;
            default: Compare<float, float>(c, scheme, value => value); break;
        }
    }

    private void Compare<T, TOutput>(Case c, QuantizationScheme scheme, Func<float, T> convert)
        where T : unmanaged
        where TOutput : unmanaged
    {
        var random = new Random(c.Seed);
        float[] values = RandomData.Normal(random, c.M * c.K);
        if (c.Spoiled)
        {
            // A group of zeros, one with an infinity, one with what is no number; in the last row, where there are few.
            Array.Clear(values, 0, Math.Min(128, c.K));
            values[(c.M - 1) * c.K + random.Next(c.K)] = float.NegativeInfinity;
            values[c.M / 2 * c.K + random.Next(c.K)] = float.NaN;
        }

        using DeviceMatrix<T> x = Device.Upload<T>(Array.ConvertAll(values, value => convert(value)), c.M, c.K);
        using QuantizedDeviceMatrix<Float8E4M3> weights = Weights(random, c.N, c.K, scheme);
        using QuantizedDeviceMatrix<Float8E4M3> codes = Device.Fp8.Quantize(x, QuantizationScheme.Fp8TokenGroup128);
        using DeviceMatrix<TOutput> expected = Device.Fp8.Multiply<TOutput>(codes, weights);
        using DeviceMatrix<TOutput> found = Device.Fp8.Multiply<T, TOutput>(x, weights);
        Bits(found).Should().Equal(Bits(expected), $"{c}");
    }

    // What is no number has no one sign on a processor: the order of operands, which optimising code may change, decides it.
    private static int[] Bits<T>(DeviceMatrix<T> matrix)
        where T : unmanaged
        => Array.ConvertAll(matrix.ToArray(), value => value switch
        {
            BFloat16 b when float.IsNaN(b.ToSingle()) => int.MaxValue,
            BFloat16 b => b.Bits,
            Half h when Half.IsNaN(h) => int.MaxValue,
            Half h => BitConverter.HalfToInt16Bits(h),
            float f when float.IsNaN(f) => int.MaxValue,
            _ => BitConverter.SingleToInt32Bits((float)(object)value),
        });

    private QuantizedDeviceMatrix<Float8E4M3> Weights(Random random, int n, int k, QuantizationScheme scheme)
        => Device.Upload<Float8E4M3>(ReferenceOperators.QuantizeFp8(RandomData.Normal(random, n * k), n, k, scheme));

    private static void Refuses(Action action, string message)
        => action.Should().Throw<ArgumentException>().WithMessage($"*{message}*");

    /// <summary>A shape, which of nine pairs of element types, and whether some values are zero or not finite.</summary>
    private sealed record Case(int M, int N, int K, int Kinds, bool Spoiled, int Seed);
}
