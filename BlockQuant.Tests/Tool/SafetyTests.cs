using System.Text;
using BlockQuant.Tool;

namespace BlockQuant.Tests.Tool;

/// <summary>Hostile and mistaken input: refused with one line, and nothing is written outside the output.</summary>
public sealed class SafetyTests
{
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

    [TestCase("../evil.safetensors")]
    [TestCase("/etc/evil.safetensors")]
    [TestCase("sub/evil.safetensors")]
    [TestCase("sub\\evil.safetensors")]
    [TestCase("C:evil.safetensors")]
    [TestCase("..")]
    [TestCase("")]
    [TestCase(".safetensors")]
    [TestCase("evil")]
    [TestCase("evil\u0000.safetensors")]
    [TestCase("evil\n.safetensors")]
    public void AnIndexThatLeadsOutOfItsFolderIsRefused(string file)
    {
        // The file the index means is there: only its name is wrong.
        File.Copy(Path.Combine(model.Path, ModelFolder.ShardA), folder.File("evil.safetensors"));
        model.WriteJson(ModelFolder.Index, new { weight_map = new Dictionary<string, string> { ["model.layers.0.q.weight"] = file } });

        foreach (string[] arguments in (string[][])[["inspect", model.Path], ["quantize", model.Path, Out], ["dequantize", model.Path, Out], ["verify", model.Path, model.Path]])
        {
            ToolRun.Of(arguments).ShouldRefuse("expected the plain name of a .safetensors file in the same folder");
        }

        Directory.Exists(Out).Should().BeFalse();
    }

    [TestCase("""{"weight_map":{"a":1}}""", "gives tensor 'a' a JSON Number")]
    [TestCase("""{"weight_map":[]}""", "no object 'weight_map'")]
    [TestCase("""[]""", "no object 'weight_map'")]
    [TestCase("""{"weight_map":{"a":"x.safetensors","a":"y.safetensors"}}""", "malformed")]
    [TestCase("""{"weight_map":{"a":"x.safetensors","b":"X.safetensors"}}""", "which only case tells apart")]
    [TestCase("""{"weight_map":{"a":"x.safetensors"}}""", "x.safetensors")]
    [TestCase("""{"weight_map":{"absent":"model-00001-of-00002.safetensors"}}""", "tensor 'absent' is not in model-00001-of-00002.safetensors")]
    [TestCase("""{"weight_map":{"count":"model-00001-of-00002.safetensors","packed":"model-00002-of-00002.safetensors"}}""", "tensor 'count' is not in")]
    [TestCase("""{"weight_map":{}}""", "nothing to quantize")]
    [TestCase("{", "malformed")]
    public void AnIndexThatIsNotOneIsRefused(string index, string sentence)
    {
        model.Write(ModelFolder.Index, Encoding.UTF8.GetBytes(index));

        ToolRun.Of("quantize", model.Path, Out).ShouldRefuse(sentence);

        Directory.Exists(Out).Should().BeFalse();
    }

    [Test]
    public void ATensorInTwoFilesIsRefused()
    {
        RawTensor tensor = model["count"];
        model.Write(ModelFolder.ShardA, RawTensor.File(tensor));
        model.Write(ModelFolder.ShardB, RawTensor.File(tensor, model["packed"]));
        model.WriteJson(ModelFolder.Index, new { weight_map = new Dictionary<string, string> { ["count"] = ModelFolder.ShardA, ["packed"] = ModelFolder.ShardB } });

        ToolRun.Of("inspect", model.Path).ShouldRefuse("tensor 'count' is in both");
    }

    [TestCase("../../escape.weight")]
    [TestCase("/etc/passwd.weight")]
    [TestCase("\u001b[31mred\u001b[0m.weight")]
    [TestCase("[red]markup[/].weight")]
    [TestCase("<script>alert(1)</script>.weight")]
    [TestCase("line\nbreak.weight")]
    [TestCase("\u202Eright-to-left.weight")]
    [TestCase("C:\\nul.weight")]
    public void AHostileTensorNameIsOnlyAName(string name)
    {
        var random = new Random(3);
        model.Write("only.safetensors", RawTensor.File(RawTensor.RandomBFloat16(name, random, 8, 8)));
        File.Delete(Path.Combine(model.Path, ModelFolder.Index));
        File.Delete(Path.Combine(model.Path, ModelFolder.ShardA));
        File.Delete(Path.Combine(model.Path, ModelFolder.ShardB));
        Dictionary<string, string> before = ModelFolder.Snapshot(folder.File("."));
        string page = Path.Combine(Out, "page.html");

        ToolRun quantized = ToolRun.Of("quantize", model.Path, Out).ShouldSucceed();
        ToolRun inspected = ToolRun.Of("inspect", Out).ShouldSucceed();
        ToolRun verified = ToolRun.Of("verify", model.Path, Out, "--html", page).ShouldSucceed();

        ModelFolder.Snapshot(folder.File(".")).Keys.Except(before.Keys).Should().OnlyContain(file => file.StartsWith("out" + Path.DirectorySeparatorChar));
        foreach (string text in (string[])[quantized.Output, inspected.Output, verified.Output, File.ReadAllText(page)])
        {
            text.Should().NotContainAny("\u001b", "\u202E");
        }

        File.ReadAllText(page).Should().NotContain("<script");

        string shown = name.Replace("\u001b", "\\u001B").Replace("\n", "\\u000A").Replace("\u202E", "\\u202E");
        inspected.Output.Should().Contain(shown);
        ToolRun.Of("inspect", Out, "--json").Json.GetProperty("tensors").EnumerateArray().Select(tensor => tensor.GetProperty("name").GetString()).Should().Contain(name);
    }

    [Test]
    public void TheInputIsNeverTheOutput()
    {
        Directory.CreateSymbolicLink(folder.File("link"), model.Path);
        Directory.CreateSymbolicLink(folder.File("parent"), folder.File("."));
        Dictionary<string, string> before = ModelFolder.Snapshot(model.Path);
        string[] same = [model.Path, model.Path + "/", folder.File("in/../in"), folder.File("link"), folder.File("parent/in")];

        foreach (string output in same)
        {
            ToolRun.Of("quantize", model.Path, output).ShouldRefuse("is the input itself");
            ToolRun.Of("quantize", output, model.Path).ShouldRefuse("is the input itself");
        }

        ModelFolder.Snapshot(model.Path).Should().Equal(before);
    }

    [Test]
    public void WhatIsThereAlreadyIsNotReplaced()
    {
        string shard = Path.Combine(model.Path, ModelFolder.ShardA);
        Directory.CreateDirectory(Out);
        File.WriteAllText(Path.Combine(Out, "mine"), "x");
        File.WriteAllText(folder.File("file.safetensors"), "x");

        ToolRun.Of("quantize", model.Path, Out).ShouldRefuse("is not empty and holds no unfinished job");
        ToolRun.Of("quantize", model.Path, folder.File("file.safetensors")).ShouldRefuse("is a file; expected a folder");
        ToolRun.Of("quantize", shard, folder.File("file.safetensors")).ShouldRefuse("exists");
        ToolRun.Of("quantize", shard, Out).ShouldRefuse("exists");
        ToolRun.Of("quantize", shard, folder.File("new")).ShouldRefuse("ending in .safetensors");

        Directory.GetFileSystemEntries(Out).Should().HaveCount(1);
        File.ReadAllText(folder.File("file.safetensors")).Should().Be("x");
    }

    [Test]
    public void WhatCannotBeConvertedIsRefused()
    {
        ToolRun.Of("quantize", folder.File("absent"), Out).ShouldRefuse("absent");
        ToolRun.Of("dequantize", model.Path, Out).ShouldRefuse("nothing to dequantize");
        ToolRun.Of("quantize", model.Path, Out, "--skip", "*").ShouldRefuse("nothing to quantize");
        ToolRun.Of("quantize", model.Path, folder.File("fp8")).ShouldSucceed();
        ToolRun.Of("quantize", folder.File("fp8"), Out).ShouldRefuse("is quantized already");

        model.Write("config.json", "[]"u8.ToArray());
        ToolRun.Of("quantize", model.Path, Out).ShouldRefuse("is not a JSON object");
        model.Write("config.json", "{"u8.ToArray());
        ToolRun.Of("quantize", model.Path, Out).ShouldRefuse("is malformed");

        var random = new Random(1);
        RawTensor[] clash = [RawTensor.RandomBFloat16("a.weight", random, 2, 2), RawTensor.RandomSingle("a.weight_scale_inv", random, 1, 1)];
        File.WriteAllBytes(folder.File("clash.safetensors"), RawTensor.File(clash));
        ToolRun.Of("quantize", folder.File("clash.safetensors"), folder.File("o.safetensors")).ShouldRefuse("is not quantized, yet there is 'a.weight_scale_inv'");
        Directory.Exists(Out).Should().BeFalse();
    }

    [TestCase("--block", "0x128")]
    [TestCase("--block", "128")]
    [TestCase("--block", "99999999999x1")]
    [TestCase("--block", "1x2x3")]
    [TestCase("--format", "fp4")]
    [TestCase("--rounding", "up")]
    [TestCase("--nonsense", "1")]
    public void WrongOptionsAreRefused(string option, string value) => ToolRun.Of("quantize", model.Path, Out, option, value).ShouldRefuse(option);

    [Test]
    public void ABlockLargerThanAPieceIsRefused()
    {
        var codes = new RawTensor("a.weight", "F8_E4M3", [5000, 7000], new byte[35_000_000]);
        model.Write("model.safetensors", RawTensor.File(codes, RawTensor.Of<float>("a.weight_scale_inv", "F32", [1, 1], 1, 2)));
        File.Delete(Path.Combine(model.Path, ModelFolder.Index));

        ToolRun.Of("dequantize", model.Path, Out).ShouldRefuse("a block of 5000x4096 has more than the");

        Directory.Exists(Out).Should().BeFalse();
    }

    [Test]
    public void APathThatBeginsWithAnAtSignIsAPath()
    {
        string path = folder.File("@file.safetensors");
        File.Copy(Path.Combine(model.Path, ModelFolder.ShardA), path);

        ToolRun.Of("inspect", path).ShouldSucceed();
        ToolRun.Of("inspect", "@absent").ShouldRefuse("@absent");
    }

    [Test]
    public void AFailureToWriteIsNotBadInput()
    {
        // A folder has the name of the page.
        ToolRun run = ToolRun.Of("verify", model.Path, model.Path, "--html", model.Path);

        run.Code.Should().Be(ExitCode.StorageFailure);
        run.Error.Should().StartWith("blockquant: ");
    }
}
