using System.Runtime.InteropServices;
using BlockQuant.Reference;
using BlockQuant.Scheduling;
using FsCheck;
using FsCheck.Fluent;

namespace BlockQuant.Tests.Operators;

/// <summary>The INT8 operators on random ragged shapes against the float64 reference, and the laws they keep to the last bit.</summary>
public sealed class Int8PropertyTests
{
    private static readonly ComputeDevice Device = TestDevice.Shared;

    private static readonly Arbitrary<Product> Products = (
        from m in Gen.Choose(1, 40)
        from n in Gen.Choose(1, 150)
        from k in Gen.Choose(1, 300)
        from activationBlock in Gen.Choose(1, 140)
        from weightRows in Gen.Choose(1, 140)
        from weightColumns in Gen.Choose(1, 140)
        from outputBlock in Gen.Choose(1, 140)
        from seed in Gen.Choose(0, 1_000_000)
        select new Product(m, n, k, activationBlock, new BlockShape(weightRows, weightColumns), outputBlock, seed)).ToArbitrary();

    [Test]
    public void Quantization_is_that_of_the_reference()
        => Prop.ForAll(Products, p =>
        {
            foreach (RoundingMode rounding in Enum.GetValues<RoundingMode>())
            {
                float[] x = RandomData.Normal(new Random(p.Seed), p.N * p.K);
                QuantizedMatrix expected = ReferenceOperators.QuantizeInt8(x, p.N, p.K, p.WeightScheme, rounding);
                using DeviceMatrix<float> source = Device.Upload<float>(x, p.N, p.K);
                using QuantizedDeviceMatrix<sbyte> found = Device.Int8.Quantize(source, p.WeightScheme, rounding);
                Compare.Scales(found.Scales.ToArray(), expected.Scales.ToArray(), $"{p}");
                Compare.Codes(found.Codes.ToArray(), Codes(expected), $"{p}");
            }
        }).Check(Properties.Cases(12));

    [Test]
    public void Products_are_those_of_the_reference()
        => Prop.ForAll(Products, p =>
        {
            using Operands operands = p.Upload();
            using DeviceMatrix<float> found = Device.Int8.Multiply<float>(operands.Activations, operands.Weights);
            using DeviceMatrix<float> biased = Device.Int8.MultiplyAdd<float>(operands.Activations, operands.Weights, operands.Bias);
            Compare.RelativeError(found.ToArray(), ReferenceOperators.Multiply(operands.HostActivations, operands.HostWeights))
                .Should().BeLessThan(1e-6, $"{p}");
            Compare.RelativeError(biased.ToArray(), ReferenceOperators.Multiply(operands.HostActivations, operands.HostWeights, operands.HostBias))
                .Should().BeLessThan(1e-6, $"{p}");
        }).Check(Properties.Cases(12));

    [Test]
    public void A_quantized_product_is_the_product_quantized()
        => Prop.ForAll(Products, p =>
        {
            using Operands operands = p.Upload();
            using DeviceMatrix<float> product = Device.Int8.MultiplyAdd<float>(operands.Activations, operands.Weights, operands.Bias);
            foreach (RoundingMode rounding in Enum.GetValues<RoundingMode>())
            {
                using QuantizedDeviceMatrix<sbyte> expected = Device.Int8.Quantize(product, p.OutputScheme, rounding);
                using QuantizedDeviceMatrix<sbyte> found =
                    Device.Int8.MultiplyAddQuantize(operands.Activations, operands.Weights, operands.Bias, p.OutputScheme, rounding);
                found.Scales.ToArray().Should().Equal(expected.Scales.ToArray(), $"{p}");
                found.Codes.ToArray().Should().Equal(expected.Codes.ToArray(), $"{p}");
            }
        }).Check(Properties.Cases(12));

    [Test]
    public void Quantized_products_are_those_of_the_reference()
        => Prop.ForAll(Products, p =>
        {
            using Operands operands = p.Upload();
            foreach (RoundingMode rounding in Enum.GetValues<RoundingMode>())
            {
                QuantizedMatrix expected = ReferenceOperators.MultiplyQuantizeInt8(
                    operands.HostActivations, operands.HostWeights, p.OutputScheme, rounding, operands.HostBias);
                using QuantizedDeviceMatrix<sbyte> found =
                    Device.Int8.MultiplyAddQuantize(operands.Activations, operands.Weights, operands.Bias, p.OutputScheme, rounding);
                CheckOutput(found, expected, $"{p}");
            }
        }).Check(Properties.Cases(12));

    [Test]
    public void Gelu_is_that_of_the_reference()
        => Prop.ForAll(Products, p =>
        {
            using Operands operands = p.Upload();
            foreach (RoundingMode rounding in Enum.GetValues<RoundingMode>())
            {
                using QuantizedDeviceMatrix<sbyte> found = Device.Int8.Gelu(operands.Activations, p.OutputScheme, rounding);
                QuantizedMatrix expected = ReferenceOperators.GeluInt8(operands.HostActivations, p.OutputScheme, rounding);
                CheckOutput(found, expected, $"{p}");
            }
        }).Check(Properties.Cases(12));

    [Test]
    public void No_plan_changes_a_bit()
        => Prop.ForAll(Products, p =>
        {
            // A column tile as wide as the output block has its results in place of its stages.
            bool wide = Device.Traits.MaxGroupSize >= 64;
            var other = new TilePlanOverrides
            {
                TileM = wide ? 16 : 8,
                TileN = wide ? 128 : 12,
                TileK = 1 + p.Seed % 20,
                GroupM = 1 + p.Seed % 3,
                Stages = 1 + p.Seed % 2,
            };
            using Operands operands = p.Upload();
            using DeviceMatrix<float> usual = Device.Int8.MultiplyAdd<float>(operands.Activations, operands.Weights, operands.Bias);
            using DeviceMatrix<float> changed = Device.Int8.MultiplyAdd<float>(operands.Activations, operands.Weights, operands.Bias, other);
            changed.ToArray().Should().Equal(usual.ToArray(), $"{p}");
            using QuantizedDeviceMatrix<sbyte> usualCodes =
                Device.Int8.MultiplyQuantize(operands.Activations, operands.Weights, p.OutputScheme);
            using QuantizedDeviceMatrix<sbyte> changedCodes =
                Device.Int8.MultiplyQuantize(operands.Activations, operands.Weights, p.OutputScheme, overrides: other);
            changedCodes.Scales.ToArray().Should().Equal(usualCodes.Scales.ToArray(), $"{p}");
            changedCodes.Codes.ToArray().Should().Equal(usualCodes.Codes.ToArray(), $"{p}");
        }).Check(Properties.Cases(12));

    [Test]
    public void A_row_does_not_depend_on_the_other_rows()
        => Prop.ForAll(Products, p =>
        {
            using Operands operands = p.Upload();
            using QuantizedDeviceMatrix<sbyte> all =
                Device.Int8.MultiplyAddQuantize(operands.Activations, operands.Weights, operands.Bias, p.OutputScheme);
            int row = p.Seed % p.M;
            using QuantizedDeviceMatrix<sbyte> alone = Device.Upload<sbyte>(operands.Row(row));
            using QuantizedDeviceMatrix<sbyte> found = Device.Int8.MultiplyAddQuantize(alone, operands.Weights, operands.Bias, p.OutputScheme);
            found.Codes.ToArray().Should().Equal(all.Codes.ToArray()[(row * p.N)..((row + 1) * p.N)], $"{p}");
            int blocks = (int)found.Scales.Columns;
            found.Scales.ToArray().Should().Equal(all.Scales.ToArray()[(row * blocks)..((row + 1) * blocks)], $"{p}");
        }).Check(Properties.Cases(12));

    /// <summary>Scales of sums in float32, not float64, and the codes that follow from them.</summary>
    private static void CheckOutput(QuantizedDeviceMatrix<sbyte> found, QuantizedMatrix expected, string name)
    {
        Compare.RelativeError(found.Scales.ToArray(), expected.Scales.ToArray()).Should().BeLessThan(1e-6, name);
        Compare.CodesOfResults(found.Codes.ToArray(), Codes(expected), name);
    }

    private static sbyte[] Codes(QuantizedMatrix matrix) => MemoryMarshal.Cast<byte, sbyte>(matrix.Codes.Span).ToArray();

    private sealed record Product(int M, int N, int K, int ActivationBlock, BlockShape WeightBlock, int OutputBlock, int Seed)
    {
        public QuantizationScheme ActivationScheme => QuantizationScheme.Int8TokenGroup128 with { Block = new BlockShape(1, ActivationBlock) };

        public QuantizationScheme WeightScheme => QuantizationScheme.Int8Block128 with { Block = WeightBlock };

        public QuantizationScheme OutputScheme => QuantizationScheme.Int8TokenGroup128 with { Block = new BlockShape(1, OutputBlock) };

        public Operands Upload()
        {
            var random = new Random(Seed);
            return new Operands(
                ReferenceOperators.QuantizeInt8(RandomData.Normal(random, M * K), M, K, ActivationScheme),
                ReferenceOperators.QuantizeInt8(RandomData.Normal(random, N * K), N, K, WeightScheme),
                RandomData.Normal(random, N));
        }
    }

    private sealed class Operands(QuantizedMatrix activations, QuantizedMatrix weights, float[] bias) : IDisposable
    {
        public QuantizedMatrix HostActivations => activations;

        public QuantizedMatrix HostWeights => weights;

        public float[] HostBias => bias;

        public QuantizedDeviceMatrix<sbyte> Activations { get; } = Device.Upload<sbyte>(activations);

        public QuantizedDeviceMatrix<sbyte> Weights { get; } = Device.Upload<sbyte>(weights);

        public DeviceBuffer<float> Bias { get; } = Device.Upload<float>(bias);

        public QuantizedMatrix Row(int row)
        {
            int k = (int)activations.Columns;
            int blocks = activations.Scales.Length / (int)activations.Rows;
            return new QuantizedMatrix(activations.Codes.Slice(row * k, k), 1, k, activations.Scales.Slice(row * blocks, blocks), activations.Scheme);
        }

        public void Dispose()
        {
            Activations.Dispose();
            Weights.Dispose();
            Bias.Dispose();
        }
    }
}
