using System.Text.Json;
using BlockQuant.Reference;
using BlockQuant.Tool;

namespace BlockQuant.Tests.Tool;

/// <summary>The figures of <c>verify</c>, against the same figures computed plainly.</summary>
public sealed class VerifyTests
{
    private TemporaryFolder folder = null!;
    private ModelFolder model = null!;

    [SetUp]
    public void CreateModel()
    {
        folder = new TemporaryFolder();
        model = new ModelFolder(folder.File("in"));
    }

    [TearDown]
    public void DeleteFolder() => folder.Dispose();

    [Test]
    public void ACheckpointEqualsItself()
    {
        ToolRun run = ToolRun.Of("verify", model.Path, model.Path, "--json", "--max-relative-error", "0", "--min-cosine", "0.999999999").ShouldSucceed();

        run.Json.GetProperty("differences").GetInt32().Should().Be(0);
        run.Json.GetProperty("tensors").GetArrayLength().Should().Be(model.Tensors.Count);
        long[] histogram = Integers(run.Json.GetProperty("histogram"));
        histogram[0].Should().Be(histogram.Sum()).And.BePositive();
    }

    [TestCase("fp8-block")]
    [TestCase("int8-block")]
    public void TheFiguresOfAQuantizedWeightAreTheReferences(string format)
    {
        ToolRun.Of("quantize", model.Path, folder.File("q"), "--format", format, "--rounding", "toward-zero").ShouldSucceed();

        JsonElement found = Tensor(ToolRun.Of("verify", model.Path, folder.File("q"), "--json").ShouldSucceed(), "model.layers.0.q.weight");

        RawTensor source = model["model.layers.0.q.weight"];
        float[] a = source.ToSingle();
        QuantizedMatrix codes = format == "int8-block"
            ? ReferenceOperators.QuantizeInt8(a, 130, 200, QuantizationScheme.Int8Block128)
            : ReferenceOperators.QuantizeFp8(a, 130, 200, QuantizationScheme.Fp8Block128);
        float[] b = Array.ConvertAll(ReferenceOperators.Dequantize(codes), value => (float)value);
        double[] errors = [.. a.Zip(b, (x, y) => Math.Abs((double)x - y))];
        double normA = Math.Sqrt(a.Sum(x => (double)x * x));
        double normB = Math.Sqrt(b.Sum(y => (double)y * y));
        found.GetProperty("maxError").GetDouble().Should().Be(errors.Max());
        found.GetProperty("relativeError").GetDouble().Should().BeApproximately(Math.Sqrt(errors.Sum(e => e * e)) / normA, 1e-12).And.BeGreaterThan(1e-3);
        found.GetProperty("cosine").GetDouble().Should().BeApproximately(a.Zip(b, (x, y) => (double)x * y).Sum() / (normA * normB), 1e-12);
        int[] magnitudes = [.. codes.Codes.ToArray().Select(code => format == "int8-block" ? Math.Abs((int)(sbyte)code) : code & 0x7F)];
        found.GetProperty("saturated").GetInt64().Should().Be(magnitudes.Count(magnitude => magnitude == (format == "int8-block" ? 127 : 0x7E))).And.BePositive();
        long[] histogram = Integers(found.GetProperty("histogram"));
        histogram.Sum().Should().Be(a.Length);
        histogram[0].Should().Be(errors.Count(error => error == 0));

        // From 2^-5 to 2^-4 lies bin 24 - 5 + 1.
        histogram[20].Should().Be(a.Zip(errors, (x, error) => error / Math.Abs((double)x)).Count(ratio => ratio is >= 1.0 / 32 and < 1.0 / 16));
    }

    [Test]
    public void ZeroBlocksAndNaNCodesAreCounted()
    {
        // 2x2 blocks over [4, 4]: one of +0 and −0, one with NaN, two of ones.
        byte[] codes = [0x00, 0x80, 0x38, 0x38, 0x80, 0x00, 0x38, 0x38, 0x7F, 0x38, 0x38, 0x38, 0x38, 0x7E, 0x38, 0xFE];
        File.WriteAllBytes(
            folder.File("q.safetensors"),
            RawTensor.File(RawTensor.Of<byte>("weight", "F8_E4M3", codes, 4, 4), RawTensor.Of<float>("weight_scale_inv", "F32", [1, 1, 1, 1], 2, 2)));

        JsonElement found = Tensor(ToolRun.Of("verify", folder.File("q.safetensors"), folder.File("q.safetensors"), "--json").ShouldSucceed(), "weight");

        found.GetProperty("zeroBlocks").GetInt64().Should().Be(1);
        found.GetProperty("nanCodes").GetInt64().Should().Be(1);
        found.GetProperty("saturated").GetInt64().Should().Be(2);
    }

    [Test]
    public void WhatDiffersIsTold()
    {
        RawTensor[] a =
        [
            RawTensor.Of<float>("far", "F32", [1, 1], 2), RawTensor.Of<float>("near", "F32", [1, 1], 2), RawTensor.Of<long>("count", "I64", [7], 1),
            RawTensor.Of<float>("shape", "F32", [1, 1], 2), RawTensor.Of<float>("nan", "F32", [1, 1], 2), RawTensor.Of<float>("a", "F32", [1], 1),
        ];
        RawTensor[] b =
        [
            RawTensor.Of<float>("far", "F32", [1, 1.2f], 2), RawTensor.Of<float>("near", "F32", [1, 1.02f], 2), RawTensor.Of<long>("count", "I64", [8], 1),
            RawTensor.Of<float>("shape", "F32", [1, 1], 1, 2), RawTensor.Of<float>("nan", "F32", [1, float.NaN], 2), RawTensor.Of<float>("b", "F32", [1], 1),
        ];
        File.WriteAllBytes(folder.File("a.safetensors"), RawTensor.File(a));
        File.WriteAllBytes(folder.File("b.safetensors"), RawTensor.File(b));

        ToolRun run = ToolRun.Of("verify", folder.File("a.safetensors"), folder.File("b.safetensors"), "--json");

        run.Code.Should().Be(ExitCode.Differences);
        run.Json.GetProperty("differences").GetInt32().Should().Be(6);
        Difference("far").Should().StartWith("relative error above");
        Difference("near").Should().BeNull();
        Difference("count").Should().Be("bytes differ");
        Difference("shape").Should().Be("shapes differ");
        Difference("nan").Should().Contain("NaN");
        Difference("a").Should().Be("only in A");
        Difference("b").Should().Be("only in B");

        string? Difference(string name) => Tensor(run, name).GetProperty("difference").GetString();
    }

    [Test]
    public void TheCosineHasABoundOfItsOwn()
    {
        File.WriteAllBytes(folder.File("a.safetensors"), RawTensor.File(RawTensor.Of<float>("x", "F32", [1, 0], 2)));
        File.WriteAllBytes(folder.File("b.safetensors"), RawTensor.File(RawTensor.Of<float>("x", "F32", [1, 1], 2)));

        ToolRun run = ToolRun.Of("verify", folder.File("a.safetensors"), folder.File("b.safetensors"), "--max-relative-error", "2", "--json");

        run.Code.Should().Be(ExitCode.Differences);
        Tensor(run, "x").GetProperty("difference").GetString().Should().StartWith("cosine below");
    }

    [Test]
    public void ThePageLoadsNothing()
    {
        string page = folder.File("page.html");
        ToolRun.Of("quantize", model.Path, folder.File("q")).ShouldSucceed();

        ToolRun run = ToolRun.Of("verify", model.Path, folder.File("q"), "--html", page).ShouldSucceed();

        run.Output.Should().Contain("model.layers.0.q.weight").And.Contain("0 beyond the bounds");
        string text = File.ReadAllText(page);
        text.Should().NotContainAny("http", "src=", "href=", "@import", "url(", "<script");
        text.Split("<svg").Should().HaveCount(1 + 3, "errors, histogram and codes are plotted");
        text.Should().Contain("model.layers.0.q.weight");
    }

    private static JsonElement Tensor(ToolRun run, string name) =>
        run.Json.GetProperty("tensors").EnumerateArray().Single(tensor => tensor.GetProperty("name").GetString() == name);

    private static long[] Integers(JsonElement array) => [.. array.EnumerateArray().Select(element => element.GetInt64())];
}
