using System.Text.Json;
using BlockQuant.Tool;

namespace BlockQuant.Tests.Tool;

/// <summary>The commands that only look: inspect, devices, bench, and help.</summary>
public sealed class CommandTests
{
    [Test]
    public void InspectTellsHowWeightsAreQuantized()
    {
        using var folder = new TemporaryFolder();
        var model = new ModelFolder(folder.File("in"));
        ToolRun.Of("quantize", model.Path, folder.File("q"), "--block", "64x32").ShouldSucceed();

        JsonElement found = ToolRun.Of("inspect", folder.File("q"), "--json").ShouldSucceed().Json;
        ToolRun table = ToolRun.Of("inspect", folder.File("q")).ShouldSucceed();

        found.GetProperty("quantMethod").GetString().Should().Be("fp8");
        found.GetProperty("files").GetArrayLength().Should().Be(2);
        JsonElement weight = found.GetProperty("tensors").EnumerateArray().Single(tensor => tensor.GetProperty("name").GetString() == "model.layers.0.q.weight");
        weight.GetProperty("dtype").GetString().Should().Be("F8_E4M3");
        weight.GetProperty("file").GetString().Should().Be(ModelFolder.ShardA);
        weight.GetProperty("layout").GetProperty("block").GetString().Should().Be("64x32");
        found.GetProperty("types").EnumerateArray().Sum(type => type.GetProperty("bytes").GetInt64())
            .Should().Be(found.GetProperty("tensors").EnumerateArray().Sum(tensor => tensor.GetProperty("bytes").GetInt64()));
        table.Output.Should().MatchRegex(@"model\.layers\.0\.q\.weight +F8_E4M3 +\[130, 200\] +25\.39 KiB +64x32, scales F32 \[3, 7\]");
        table.Output.Should().Contain("config.json names the method 'fp8'").And.Contain("F4");
    }

    [Test]
    public void InspectReadsAFolderWithoutAnIndex()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder.File("m"));
        ToolRun.Of("inspect", folder.File("m")).ShouldRefuse("holds 0 safetensors files and no index");
        byte[] file = RawTensor.File(RawTensor.Of<float>("x", "F32", [1], 1));
        File.WriteAllBytes(folder.File("m/a.safetensors"), file);
        ToolRun.Of("inspect", folder.File("m")).ShouldSucceed();
        File.WriteAllBytes(folder.File("m/b.safetensors"), file);
        ToolRun.Of("inspect", folder.File("m")).ShouldRefuse("holds 2 safetensors files and no index");
        File.WriteAllBytes(folder.File("m/model.safetensors"), file);
        ToolRun.Of("inspect", folder.File("m")).ShouldSucceed();
    }

    [Test]
    public void DevicesSaysWhatIsUsedAndWhyTheRestIsNot()
    {
        JsonElement[] devices = [.. ToolRun.Of("devices", "--json").ShouldSucceed().Json.EnumerateArray()];

        devices.Count(device => device.GetProperty("isUsed").GetBoolean()).Should().Be(1);
        devices.Where(device => !device.GetProperty("isUsable").GetBoolean()).Should().OnlyContain(device => device.GetProperty("reason").GetString()!.Length > 0);
        using ComputeDevice used = ComputeDevice.CreateDefault();
        devices.Single(device => device.GetProperty("isUsed").GetBoolean()).GetProperty("kind").GetString().Should().Be(used.Kind.ToString());
        ToolRun.Of("devices").ShouldSucceed().Output.Should().Contain("used by default");
    }

    [TestCase("fp8", 4)]
    [TestCase("int8", 6)]
    public void BenchTimesTheOperators(string format, int operations)
    {
        JsonElement bench = ToolRun.Of("bench", "--format", format, "--device", "cpu", "--m", "1", "--n", "32", "--k", "128", "--iterations", "1", "--json").ShouldSucceed().Json;

        bench.GetProperty("results").EnumerateArray().Should().HaveCount(operations)
            .And.OnlyContain(result => result.GetProperty("medianSeconds").GetDouble() > 0)
            .And.OnlyContain(result => result.GetProperty("operation").GetString()!.Contains(format, StringComparison.OrdinalIgnoreCase));
        ToolRun.Of("bench", "--device", "cpu", "--iterations", "0").ShouldRefuse("--iterations 0: expected at least 1");
        ToolRun.Of("bench", "--device", "cpu", "--n", "-3").ShouldRefuse("--n -3: expected at least 1");
        ToolRun.Of("bench", "--device", "tpu").ShouldRefuse("--device");
        ToolRun.Of("bench", "--format", "fp4").ShouldRefuse("--format");
    }

    [Test]
    public void BenchTimesProductsByExpert()
    {
        string[] shape = ["bench", "--experts", "3", "--device", "cpu", "--m", "1", "--n", "32", "--k", "128", "--iterations", "1"];
        JsonElement bench = ToolRun.Of([.. shape, "--json"]).ShouldSucceed().Json;

        bench.GetProperty("experts").GetInt32().Should().Be(3);
        JsonElement[] products = [.. bench.GetProperty("results").EnumerateArray().Where(result => result.GetProperty("operation").GetString()!.Contains("by expert"))];
        // One row reads the weights of one expert: codes [32, 128], the row in BF16 or FP8, the result in BF16.
        products.Select(product => Math.Round(product.GetProperty("bytesPerSecond").GetDouble() * product.GetProperty("medianSeconds").GetDouble()))
            .Should().Equal(4096 + 256 + 64, 4096 + 128 + 64);
        products.Select(product => Math.Round(product.GetProperty("operationsPerSecond").GetDouble() * product.GetProperty("medianSeconds").GetDouble()))
            .Should().AllBeEquivalentTo(2.0 * 32 * 128);
        ToolRun.Of(shape).ShouldSucceed().Output.Should().Contain("3 experts").And.Contain("multiply by expert");
        ToolRun.Of("bench", "--device", "cpu", "--experts", "0").ShouldRefuse("--experts 0: expected at least 1");
        ToolRun.Of("bench", "--device", "cpu", "--experts", "2", "--format", "int8").ShouldRefuse("--experts 2 with --format int8: expected --format fp8");
    }

    [Test]
    public void AMissingDeviceHasItsOwnExitCode()
    {
        ToolRun run = ToolRun.Of("bench", "--device", "cpu", "--index", "99");

        run.Code.Should().Be(ExitCode.DeviceFailure);
        run.Error.Should().Contain("cannot be used");
    }

    [Test]
    public void HelpAndMistakesAreToldApart()
    {
        ToolRun.Of("quantize", "--help").ShouldSucceed().Output.Should().Contain("--block").And.Contain("fp8-block");
        ToolRun.Of("--version").ShouldSucceed().Output.Should().NotBeNullOrWhiteSpace();
        ToolRun.Of("quantize", "only-in").ShouldRefuse("quantize --help");
        ToolRun.Of("nonsense").ShouldRefuse("--help");
        ToolRun.Of().ShouldRefuse("--help");
    }
}
