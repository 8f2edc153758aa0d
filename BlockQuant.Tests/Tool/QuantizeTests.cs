using System.Text.Json;
using BlockQuant.Host;
using BlockQuant.Reference;
using BlockQuant.Storage;

namespace BlockQuant.Tests.Tool;

/// <summary>What <c>quantize</c> and <c>dequantize</c> write, against the float64 reference and the bytes of the input.</summary>
public sealed class QuantizeTests
{
    private static readonly string[] Weights = ["model.layers.0.q.weight", "model.layers.1.q.weight", "model.layers.1.k.weight"];

    private TemporaryFolder folder = null!;
    private ModelFolder model = null!;

    private string Out => folder.File("out");

    [SetUp]
    public void CreateModel()
    {
        folder = new TemporaryFolder();
        model = new ModelFolder(folder.File("in"));
    }

    [TearDown]
    public void DeleteFolder() => folder.Dispose();

    [TestCase("fp8-block", "128x128", SafetensorsDType.Float8E4M3)]
    [TestCase("int8-block", "128x128", SafetensorsDType.Int8)]
    [TestCase("fp8-block", "32x48", SafetensorsDType.Float8E4M3)]
    [TestCase("int8-block", "1x64", SafetensorsDType.Int8)]
    public void WeightsBecomeTheReferencesCodesAndScales(string format, string block, SafetensorsDType dtype)
    {
        ToolRun.Of("quantize", model.Path, Out, "--format", format, "--block", block).ShouldSucceed();

        using var output = Checkpoint.Open(Out);
        int[] extents = Array.ConvertAll(block.Split('x'), int.Parse);
        ElementFormat element = dtype == SafetensorsDType.Int8 ? ElementFormat.Int8 : ElementFormat.Float8E4M3;
        var scheme = new QuantizationScheme(element, ScaleGranularity.Block, new BlockShape(extents[0], extents[1]));
        foreach (string name in Weights)
        {
            RawTensor source = model[name];
            QuantizedMatrix expected = element == ElementFormat.Int8
                ? ReferenceOperators.QuantizeInt8(source.ToSingle(), source.Shape[0], source.Shape[1], scheme, RoundingMode.Nearest)
                : ReferenceOperators.QuantizeFp8(source.ToSingle(), source.Shape[0], source.Shape[1], scheme);
            output.Get(name).DType.Should().Be(dtype);
            output.Get(name).Shape.Should().Equal(source.Shape);
            output.Read<byte>(name).Should().Equal(expected.Codes.ToArray());
            output.Get(name + "_scale_inv").Shape.Should().Equal(expected.ScaleRows, expected.ScaleColumns);
            output.Read<float>(name + "_scale_inv").Should().Equal(expected.Scales.ToArray());
        }
    }

    [Test]
    public void EveryOtherTensorIsCarriedOverByteForByte()
    {
        ToolRun.Of("quantize", model.Path, Out).ShouldSucceed();

        using var output = Checkpoint.Open(Out);
        foreach (RawTensor tensor in model.Tensors.Where(tensor => !Weights.Contains(tensor.Name)))
        {
            var bytes = new byte[tensor.Data.Length];
            output.CopyTo(tensor.Name, bytes);
            bytes.Should().Equal(tensor.Data);
            output.Get(tensor.Name).DTypeName.Should().Be(tensor.DType);
            output.Get(tensor.Name).Shape.Should().Equal(tensor.Shape);
        }

        output.Tensors.Should().HaveCount(model.Tensors.Count + Weights.Length);
        output.Shards.Should().OnlyContain(shard => shard.Metadata["format"] == "pt");
    }

    [Test]
    public void TheFolderIsACheckpointOfItsOwnAndNothingMore()
    {
        ToolRun.Of("quantize", model.Path, Out).ShouldSucceed();

        Directory.GetFileSystemEntries(Out).Select(Path.GetFileName).Should().BeEquivalentTo(
            ModelFolder.ShardA, ModelFolder.ShardB, ModelFolder.Index, "config.json", "tokenizer.json");
        JsonElement index = ReadJson(ModelFolder.Index);
        using var output = Checkpoint.Open(Out);
        index.GetProperty("weight_map").EnumerateObject().Select(entry => entry.Name).Should().BeEquivalentTo(output.Tensors.Select(tensor => tensor.Name));
        index.GetProperty("metadata").GetProperty("total_size").GetInt64().Should().Be(output.Tensors.Sum(tensor => tensor.ByteLength));
    }

    [Test]
    public void TheConfigTellsLoadersHowTheWeightsAreQuantized()
    {
        ToolRun.Of("quantize", model.Path, Out, "--skip", "*layers.1.k*").ShouldSucceed();

        JsonElement config = ReadJson("config.json");
        JsonSerializer.Serialize(config.GetProperty("quantization_config")).Should().Be(
            """
            {"quant_method":"fp8","fmt":"e4m3","weight_block_size":[128,128],"activation_scheme":"dynamic","modules_to_not_convert":["lm_head","model.embed_tokens","model.layers.0.mlp.gate","model.layers.1.k"]}
            """);
        config.GetProperty("rope_theta").GetRawText().Should().Be("10000.0");
        using var output = Checkpoint.Open(Out);
        output.Get("model.layers.1.k.weight").DType.Should().Be(SafetensorsDType.Float32);
    }

    [Test]
    public void TheConfigOfInt8IsWhatItsLoaderReads()
    {
        ToolRun.Of("quantize", model.Path, Out, "--format", "int8-block").ShouldSucceed();

        JsonSerializer.Serialize(ReadJson("config.json").GetProperty("quantization_config")).Should().Be(
            """
            {"quant_method":"blockwise_int8","weight_block_size":[128,128],"activation_scheme":"dynamic","ignored_layers":["lm_head","model.embed_tokens","model.layers.0.mlp.gate"]}
            """);
    }

    [Test]
    public void WithoutTheDefaultPatternsEveryMatrixIsQuantized()
    {
        ToolRun run = ToolRun.Of("quantize", model.Path, Out, "--no-default-skip", "--json").ShouldSucceed();

        run.Json.GetProperty("converted").GetInt32().Should().Be(Weights.Length + 3);
        using var output = Checkpoint.Open(Out);
        output.Get("lm_head.weight").DType.Should().Be(SafetensorsDType.Float8E4M3);
    }

    [Test]
    public void AFileBecomesAFile()
    {
        string output = folder.File("new/one.safetensors");

        ToolRun.Of("quantize", Path.Combine(model.Path, ModelFolder.ShardA), output).ShouldSucceed();

        using SafetensorsFile file = SafetensorsFile.Open(output);
        file.Get("model.layers.0.q.weight").DType.Should().Be(SafetensorsDType.Float8E4M3);
        Directory.GetFileSystemEntries(folder.File("new")).Should().Equal(output);
    }

    [Test]
    public void AMatrixTooWideForOneBandIsConvertedInPartsOfBands()
    {
        const int Rows = 130;
        const int Columns = 131_200;
        RawTensor wide = RawTensor.Of<BFloat16>("wide.weight", "BF16", Pattern(Rows * Columns), Rows, Columns);
        File.WriteAllBytes(folder.File("wide.safetensors"), RawTensor.File(wide));

        ToolRun.Of("quantize", folder.File("wide.safetensors"), folder.File("codes.safetensors")).ShouldSucceed();
        ToolRun.Of("dequantize", folder.File("codes.safetensors"), folder.File("values.safetensors"), "--dtype", "f32").ShouldSucceed();

        QuantizationScheme scheme = QuantizationScheme.Fp8Block128;
        var codes = new byte[Rows * Columns];
        (long scaleRows, long scaleColumns) = scheme.ScaleShape(Rows, Columns);
        var scales = new float[scaleRows * scaleColumns];
        HostQuantization.Quantize<float>(wide.ToSingle(), Rows, Columns, scheme, codes, scales);
        var values = new float[codes.Length];
        HostQuantization.Dequantize<float>(codes, scales, Rows, Columns, scheme, values);
        using SafetensorsFile quantized = SafetensorsFile.Open(folder.File("codes.safetensors"));
        quantized.AsSpan("wide.weight").SequenceEqual(codes).Should().BeTrue();
        quantized.Read<float>("wide.weight_scale_inv").Should().Equal(scales);
        using SafetensorsFile dequantized = SafetensorsFile.Open(folder.File("values.safetensors"));
        dequantized.Read<float>("wide.weight").AsSpan().SequenceEqual(values).Should().BeTrue();
    }

    [TestCase("fp8-block", "bf16")]
    [TestCase("int8-block", "f16")]
    [TestCase("fp8-block", "f32")]
    public void DequantizingGivesCodesTimesScales(string format, string dtype)
    {
        ToolRun.Of("quantize", model.Path, Out, "--format", format).ShouldSucceed();

        ToolRun.Of("dequantize", Out, folder.File("back"), "--dtype", dtype).ShouldSucceed();

        using var quantized = Checkpoint.Open(Out);
        using var back = Checkpoint.Open(folder.File("back"));
        foreach (string name in Weights)
        {
            double[] expected = ReferenceOperators.Dequantize(QuantizedMatrix.FromCheckpoint(quantized, name));
            float[] found = dtype switch
            {
                "bf16" => Array.ConvertAll(back.Read<BFloat16>(name), value => value.ToSingle()),
                "f16" => Array.ConvertAll(back.Read<Half>(name), value => (float)value),
                _ => back.Read<float>(name),
            };
            float[] rounded = Array.ConvertAll(expected, value => dtype switch
            {
                "bf16" => BFloat16.FromSingle((float)value).ToSingle(),
                "f16" => (float)(Half)(float)value,
                _ => (float)value,
            });
            found.Should().Equal(rounded);
        }

        back.Tensors.Select(tensor => tensor.Name).Should().BeEquivalentTo(model.Tensors.Select(tensor => tensor.Name));
        File.ReadAllText(Path.Combine(folder.File("back"), "config.json")).Should().NotContain("quantization_config").And.Contain("llama");
    }

    [TestCase(1, 1)]
    [TestCase(3, 1)]
    public void ScalesOfAnotherShapeAndTypeAreUnderstood(int scaleRows, int scaleColumns)
    {
        RawTensor codes = RawTensor.Of<byte>("m.weight", "F8_E4M3", [.. Enumerable.Repeat((byte)0x38, 12)], 3, 4);
        BFloat16[] scales = [.. Enumerable.Range(1, scaleRows * scaleColumns).Select(scale => (BFloat16)scale)];
        RawTensor scale = RawTensor.Of<BFloat16>("m.weight_scale_inv", "BF16", scales, scaleRows, scaleColumns);
        File.WriteAllBytes(folder.File("q.safetensors"), RawTensor.File(codes, scale));

        ToolRun.Of("dequantize", folder.File("q.safetensors"), folder.File("f.safetensors"), "--dtype", "f32").ShouldSucceed();

        using SafetensorsFile file = SafetensorsFile.Open(folder.File("f.safetensors"));
        file.Read<float>("m.weight").Should().Equal(Enumerable.Range(0, 12).Select(i => scaleRows == 1 ? 1f : 1 + i / 4));
        file.Tensors.Should().HaveCount(1);
    }

    [Test]
    public void BlocksWithNaNAreToldOf()
    {
        File.WriteAllBytes(folder.File("x.safetensors"), RawTensor.File(RawTensor.Of<float>("weight", "F32", [1f, float.NaN, 2f, 3f], 2, 2)));

        ToolRun run = ToolRun.Of("quantize", folder.File("x.safetensors"), folder.File("y.safetensors")).ShouldSucceed();

        run.Error.Should().Contain("weight has 1 blocks that hold NaN or an infinity");
    }

    private static BFloat16[] Pattern(int count)
    {
        var values = new BFloat16[count];
        for (int i = 0; i < count; i++)
        {
            // Finite values of many magnitudes, quickly made.
            values[i] = BFloat16.FromBits((ushort)(((i * 40503) & 0x80FF) | 0x3C00));
        }

        return values;
    }

    private JsonElement ReadJson(string name) => JsonSerializer.Deserialize<JsonElement>(File.ReadAllText(Path.Combine(Out, name)));
}
