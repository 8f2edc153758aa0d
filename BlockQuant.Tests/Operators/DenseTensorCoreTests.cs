using BlockQuant.Reference;
using BlockQuant.Scheduling;
using FsCheck;
using FsCheck.Fluent;

namespace BlockQuant.Tests.Operators;

/// <summary>The dense FP8 product on warp-level tensor cores, each family forced, against float64; where a device has none, the refusal.</summary>
[TestFixture(KernelFamily.TensorFloat8, 89)]
[TestFixture(KernelFamily.TensorFloat16, 80)]
public sealed class DenseTensorCoreTests(KernelFamily family, int computeCapability)
{
    private static readonly ComputeDevice Device = TestDevice.Shared;

    private readonly TilePlanOverrides forced = new() { Kernel = family };

    // FP8 tensor cores may add in fewer bits than float32 has.
    private double Bound => family == KernelFamily.TensorFloat8 ? 5e-4 : 1e-5;

    [Test]
    public void Products_of_ragged_shapes_are_those_of_the_reference()
    {
        var shapes =
            from m in Gen.OneOf(Gen.Choose(1, 40), Gen.Choose(60, 150))
            from n in Gen.OneOf(Gen.Choose(1, 40), Gen.Choose(100, 300))
            from k in Gen.Choose(1, 40)
            from seed in Gen.Choose(0, 1_000_000)
            select (M: m, N: n, K: 16 * k, Seed: seed);
        IfSupported(() => Prop.ForAll(shapes.ToArbitrary(), p =>
        {
            var random = new Random(p.Seed);
            QuantizedMatrix a = ReferenceOperators.QuantizeFp8(RandomData.Normal(random, p.M * p.K), p.M, p.K, QuantizationScheme.Fp8TokenGroup128);
            QuantizedMatrix b = ReferenceOperators.QuantizeFp8(RandomData.Normal(random, p.N * p.K), p.N, p.K, QuantizationScheme.Fp8Block128);
            double[] expected = ReferenceOperators.Multiply(a, b);
            using QuantizedDeviceMatrix<Float8E4M3> activations = Device.Upload<Float8E4M3>(a);
            using QuantizedDeviceMatrix<Float8E4M3> weights = Device.Upload<Float8E4M3>(b);
            using DeviceMatrix<float> single = Device.Fp8.Multiply<float>(activations, weights, forced);
            float[] found = single.ToArray();
            Compare.RelativeError(found, expected).Should().BeLessThan(Bound, $"{p}");
            using DeviceMatrix<BFloat16> bfloat = Device.Fp8.Multiply<BFloat16>(activations, weights, forced);
            bfloat.ToArray().Should().Equal(Array.ConvertAll(found, BFloat16.FromSingle));
            using DeviceMatrix<Half> half = Device.Fp8.Multiply<Half>(activations, weights, forced);
            half.ToArray().Should().Equal(Array.ConvertAll(found, value => (Half)value));
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(15).WithReplay(20261121, 7)));
    }

    [Test]
    public void Every_code_has_its_value() => IfSupported(() =>
    {
        // One row of a single code each, times ones: the product is the code's value, 16 times; that of the codes without value is not a number.
        const int K = 16;
        var codes = new Float8E4M3[256 * K];
        for (int i = 0; i < codes.Length; i++)
        {
            codes[i] = Float8E4M3.FromBits((byte)(i / K));
        }

        var ones = new Float8E4M3[K];
        Array.Fill(ones, Float8E4M3.FromSingle(1f));
        var scale = new float[256];
        Array.Fill(scale, 1f);
        using DeviceBuffer<Float8E4M3> rows = Device.Upload<Float8E4M3>(codes), column = Device.Upload<Float8E4M3>(ones);
        using DeviceBuffer<float> rowScales = Device.Upload<float>(scale), columnScale = Device.Upload<float>([1f]);
        var all = new QuantizedView<Float8E4M3>(new(rows.View, 256, K), new(rowScales.View, 256, 1), QuantizationScheme.Fp8TokenGroup128);
        var one = new QuantizedView<Float8E4M3>(new(column.View, 1, K), new(columnScale.View, 1, 1), QuantizationScheme.Fp8Block128);
        using var output = new DeviceMatrix<float>(Device, 256, 1);

        Device.Fp8.Multiply(all, one, output.View, forced);

        float[] found = output.ToArray();
        for (int code = 0; code < 256; code++)
        {
            float value = Float8E4M3.FromBits((byte)code).ToSingle();
            float.IsNaN(found[code]).Should().Be(float.IsNaN(value));
            if (!float.IsNaN(value))
            {
                found[code].Should().Be(K * value, $"code {code:X2}");
            }
        }
    });

    [Test]
    public void Operands_that_do_not_fit_are_refused()
    {
        QuantizedMatrix matrix = ReferenceOperators.QuantizeFp8(RandomData.Normal(new Random(1), 3 * 40), 3, 40, QuantizationScheme.Fp8TokenGroup128);
        QuantizedMatrix weight = ReferenceOperators.QuantizeFp8(RandomData.Normal(new Random(2), 5 * 40), 5, 40, QuantizationScheme.Fp8Block128);
        using QuantizedDeviceMatrix<Float8E4M3> activations = Device.Upload<Float8E4M3>(matrix);
        using QuantizedDeviceMatrix<Float8E4M3> weights = Device.Upload<Float8E4M3>(weight);
        FluentActions.Invoking(() => Device.Fp8.Multiply<float>(activations, weights, forced))
            .Should().Throw<ArgumentException>().WithMessage($"tile plan: kernel family {family} cannot run, because*");
    }

    private void IfSupported(Action check)
    {
        if (Device.Traits.Kind == DeviceKind.Cuda && Device.Traits.ComputeCapability >= computeCapability)
        {
            check();
        }
        else
        {
            check.Should().Throw<Exception>().Which.ToString().Should().Contain($"kernel family {family} cannot run");
        }
    }
}
