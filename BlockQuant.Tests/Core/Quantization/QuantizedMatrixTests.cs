using BlockQuant.Storage;

namespace BlockQuant.Tests.Core.Quantization;

[TestFixture]
public class QuantizedMatrixTests
{
    private TemporaryFolder folder = null!;

    [SetUp]
    public void CreateFolder() => folder = new TemporaryFolder();

    [TearDown]
    public void DeleteFolder() => folder.Dispose();

    [Test]
    public void CodesAndScalesMustFitTheShape()
    {
        Action codes = () => _ = new QuantizedMatrix(new byte[5], 2, 3, new float[1], QuantizationScheme.Fp8Block128);
        Action scales = () => _ = new QuantizedMatrix(new byte[6], 2, 3, new float[2], QuantizationScheme.Fp8Block128);
        Action overflow = () => _ = new QuantizedMatrix(default, 1L << 32, 1L << 32, new float[1], QuantizationScheme.Fp8Tensor);
        Action negative = () => _ = new QuantizedMatrix(new byte[6], -2, -3, new float[1], QuantizationScheme.Fp8Tensor);
        Action scheme = () => _ = new QuantizedMatrix(new byte[6], 2, 3, new float[1], null!);

        codes.Should().Throw<ArgumentException>().WithMessage("codes: length 5; expected 2 x 3.*");
        scales.Should().Throw<ArgumentException>().WithMessage("scales: length 2; expected 1 x 1.*");
        overflow.Should().Throw<ArgumentException>().WithMessage("codes: length 0; expected 4294967296 x 4294967296.*");
        negative.Should().Throw<ArgumentException>().WithMessage("codes: shape [-2, -3]; expected extents of at least 0.");
        scheme.Should().Throw<ArgumentNullException>();
    }

    [Test]
    public void AShardMayStartInsideABlock()
    {
        var shard = new QuantizedMatrix(new byte[6], 2, 3, new float[4], QuantizationScheme.Fp8Block128, scaleRowOffset: 127, scaleColumnOffset: 126);

        (shard.ScaleRows, shard.ScaleColumns).Should().Be((2L, 2L));
        (shard.ScaleRowOffset, shard.ScaleColumnOffset).Should().Be((127, 126));
    }

    [Test]
    public void AMatrixMayBeEmpty()
    {
        var empty = new QuantizedMatrix(default, 0, 300, default, QuantizationScheme.Fp8TokenGroup128);

        (empty.ScaleRows, empty.ScaleColumns).Should().Be((0L, 3L));
    }

    [TestCase(new long[] { 3, 2 }, ScaleGranularity.Block, "128x128", TestName = "128x128 if it fits")]
    [TestCase(new long[] { 5, 4 }, ScaleGranularity.Block, "64x64", TestName = "a power of two that fits")]
    [TestCase(new long[] { 3, 1 }, ScaleGranularity.Block, "128x256", TestName = "each side by itself")]
    [TestCase(new long[] { 300, 2 }, ScaleGranularity.Block, "1x128", TestName = "a scale per row and 128 columns")]
    [TestCase(new long[] { 30, 20 }, ScaleGranularity.Block, "10x10", TestName = "an exact quotient")]
    [TestCase(new long[] { 1, 1 }, ScaleGranularity.Tensor, null, TestName = "one scale")]
    [TestCase(new long[] { 1 }, ScaleGranularity.Tensor, null, TestName = "one scale in a vector")]
    [TestCase(new long[0], ScaleGranularity.Tensor, null, TestName = "a scalar scale")]
    [TestCase(new long[] { 300, 1 }, ScaleGranularity.Channel, null, TestName = "a scale per channel")]
    [TestCase(new long[] { 300 }, ScaleGranularity.Channel, null, TestName = "a scale per channel in a vector")]
    public void ACheckpointsSchemeIsToldFromItsShapes(long[] scaleShape, ScaleGranularity granularity, string? block)
    {
        using SafetensorsFile file = Checkpoint(300, 200, scaleShape);

        QuantizedMatrix matrix = QuantizedMatrix.FromSafetensors(file, "layer");

        matrix.Scheme.Format.Should().Be(ElementFormat.Float8E4M3);
        matrix.Scheme.Granularity.Should().Be(granularity);
        (block is null || matrix.Scheme.Block.ToString() == block).Should().BeTrue($"the block is {matrix.Scheme.Block}");
        (matrix.Rows, matrix.Columns).Should().Be((300L, 200L));
        matrix.Codes.Span[300 * 200 - 1].Should().Be((300 * 200 - 1) % 251);
        matrix.Scales.Span[0].Should().Be(0.5f);
    }

    [Test]
    public void ASideThatOneBlockCoversIsTakenToHaveTheUsualBlock()
    {
        using SafetensorsFile file = Checkpoint(40, 300, [1, 5]);

        QuantizedMatrix.FromSafetensors(file, "layer").Scheme.Block.Should().Be(new BlockShape(128, 64));
    }

    [Test]
    public void TheCallerMayNameTheBlock()
    {
        using SafetensorsFile file = Checkpoint(300, 200, [3, 2]);

        QuantizedMatrix matrix = QuantizedMatrix.FromSafetensors(file, "layer.weight", new BlockShape(100, 100));
        Action wrong = () => QuantizedMatrix.FromSafetensors(file, "layer.weight", new BlockShape(64, 128));

        matrix.Scheme.Block.Should().Be(new BlockShape(100, 100));
        wrong.Should().Throw<SafetensorsException>().WithMessage("*scales 'layer.weight_scale_inv' F32 [3, 2] do not fit weight 'layer.weight' F8_E4M3 [300, 200]; expected [5, 2] for 64x128 blocks.");
    }

    [TestCase(new long[] { 7, 2 })]
    [TestCase(new long[] { 6 })]
    [TestCase(new long[] { 0, 2 })]
    [TestCase(new long[] { 1, 3, 2 })]
    public void ScalesThatFitNoBlockAreRefused(long[] scaleShape)
    {
        using SafetensorsFile file = Checkpoint(299, 199, scaleShape);

        Action read = () => QuantizedMatrix.FromSafetensors(file, "layer");

        read.Should().Throw<SafetensorsException>().WithMessage("*do not fit weight*expected [3, 2] for 128x128 blocks.");
    }

    [Test]
    public void Int8WeightsAreReadAsTheirBytes()
    {
        SafetensorsWriter.Save(
            folder.File("int8"),
            [SafetensorsTensor.From<sbyte>("w", [-1, 2], 1, 2), SafetensorsTensor.From("w_scale_inv", [2f], 1, 1)]);
        using SafetensorsFile file = SafetensorsFile.Open(folder.File("int8"));

        QuantizedMatrix matrix = QuantizedMatrix.FromSafetensors(file, "w");

        matrix.Scheme.Should().Be(QuantizationScheme.Int8Block128);
        matrix.Codes.ToArray().Should().Equal(0xFF, 0x02);
    }

    [Test]
    public void WhatACheckpointLacksIsNamed()
    {
        SafetensorsWriter.Save(
            folder.File("odd"),
            [
                SafetensorsTensor.From("plain.weight", [1f], 1, 1),
                SafetensorsTensor.From("vector.weight", [Float8E4M3.One], 1),
                SafetensorsTensor.From("alone.weight", [Float8E4M3.One], 1, 1),
                SafetensorsTensor.From("half.weight", [Float8E4M3.One], 1, 1),
                SafetensorsTensor.From("half.weight_scale_inv", [(BFloat16)1f], 1, 1),
            ]);
        using SafetensorsFile file = SafetensorsFile.Open(folder.File("odd"));

        Message("absent").Should().EndWith("has neither a tensor 'absent' nor 'absent.weight'.");
        Message("plain").Should().EndWith("weight 'plain.weight' F32 [1, 1] is not quantized; expected F8_E4M3 or I8.");
        Message("vector").Should().EndWith("weight 'vector.weight' F8_E4M3 [1] is not a matrix; expected [N, K].");
        Message("alone").Should().EndWith("has no tensor 'alone.weight_scale_inv'.");
        Message("half").Should().EndWith("tensor 'half.weight_scale_inv' BF16 [1, 1] has another element type than the expected F32.");

        string Message(string name) =>
            FluentActions.Invoking(() => QuantizedMatrix.FromSafetensors(file, name)).Should().Throw<SafetensorsException>().Which.Message;
    }

    private SafetensorsFile Checkpoint(int rows, int columns, long[] scaleShape)
    {
        byte[] codes = [.. Enumerable.Range(0, rows * columns).Select(index => (byte)(index % 251))];
        float[] scales = [.. Enumerable.Repeat(0.5f, (int)scaleShape.Aggregate(1L, (product, extent) => product * extent))];
        SafetensorsWriter.Save(
            folder.File("checkpoint"),
            [
                new SafetensorsTensor("layer.weight", SafetensorsDType.Float8E4M3, [rows, columns], codes),
                SafetensorsTensor.From<float>("layer.weight_scale_inv", scales, scaleShape),
            ]);
        return SafetensorsFile.Open(folder.File("checkpoint"));
    }
}
