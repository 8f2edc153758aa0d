using System.Diagnostics;
using System.Runtime.InteropServices;
using BlockQuant.Storage;
using BlockQuant.Tool;
using BlockQuant.Tool.Conversion;
using BlockQuant.Tool.Output;

namespace BlockQuant.Tests.Tool;

/// <summary>An interrupted job goes on where it was, and its result does not tell that it was interrupted.</summary>
public sealed class ResumeTests
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

    [Test]
    public void FinishedFilesAreKeptAndTheUnfinishedOneIsWrittenAgain()
    {
        Dictionary<string, string> whole = Uninterrupted();
        Interrupt();
        File.Copy(Path.Combine(folder.File("whole"), ModelFolder.ShardA), Path.Combine(Out, ModelFolder.ShardA));
        File.WriteAllBytes(Path.Combine(Out, ModelFolder.ShardB + ".partial"), new byte[1000]);
        DateTime before = File.GetLastWriteTimeUtc(Path.Combine(Out, ModelFolder.ShardA));

        ToolRun run = ToolRun.Of("quantize", model.Path, Out, "--json").ShouldSucceed();

        run.Json.GetProperty("resumedFiles").GetInt32().Should().Be(1);
        File.GetLastWriteTimeUtc(Path.Combine(Out, ModelFolder.ShardA)).Should().Be(before);
        ModelFolder.Snapshot(Out).Should().Equal(whole);
    }

    [Test]
    public void AFileThatIsNotWhatThePlanSaysIsWrittenAgain()
    {
        Dictionary<string, string> whole = Uninterrupted();
        Interrupt();
        byte[] finished = File.ReadAllBytes(Path.Combine(folder.File("whole"), ModelFolder.ShardA));
        File.WriteAllBytes(Path.Combine(Out, ModelFolder.ShardA), finished[..^1]);
        File.WriteAllBytes(Path.Combine(Out, ModelFolder.ShardB), RawTensor.File(model["count"]));

        ToolRun run = ToolRun.Of("quantize", model.Path, Out, "--json").ShouldSucceed();

        run.Json.GetProperty("resumedFiles").GetInt32().Should().Be(0);
        ModelFolder.Snapshot(Out).Should().Equal(whole);
    }

    [Test]
    public void AnotherJobInTheFolderIsLeftAlone()
    {
        Interrupt();
        Dictionary<string, string> before = ModelFolder.Snapshot(Out);

        ToolRun.Of("quantize", model.Path, Out, "--block", "64x64").ShouldRefuse("holds an unfinished job with another input or other options");
        File.AppendAllText(Path.Combine(model.Path, "config.json"), " ");
        var other = new ModelFolder(folder.File("other"), seed: 2);
        ToolRun.Of("quantize", other.Path, Out).ShouldRefuse("holds an unfinished job");

        ModelFolder.Snapshot(Out).Should().Equal(before);
    }

    [Test]
    public void OneProcessAtATimeWritesAFolder()
    {
        Dictionary<string, string> whole = Uninterrupted();
        using (Begin())
        {
            ToolRun.Of("quantize", model.Path, Out).ShouldRefuse($"{Out} is being written by another process");
            ToolRun.Of("quantize", model.Path, Out, "--block", "64x64").ShouldRefuse("is being written by another process");
            Directory.GetFiles(Out).Select(Path.GetFileName).Should().BeEquivalentTo(JobManifest.FileName, JobFolder.LockName);
        }

        // What a killed process leaves of its lock.
        File.WriteAllBytes(Path.Combine(Out, JobFolder.LockName), []);
        ToolRun.Of("quantize", model.Path, Out).ShouldSucceed();

        ModelFolder.Snapshot(Out).Should().Equal(whole);
    }

    [Test]
    public void OneProcessAtATimeWritesAFile()
    {
        string input = Path.Combine(model.Path, ModelFolder.ShardA), output = folder.File("out/file.safetensors");
        Directory.CreateDirectory(Out);
        using (OutputLock.Take(output + ".lock", output))
        {
            ToolRun.Of("quantize", input, output).ShouldRefuse($"{output} is being written by another process");
        }

        File.WriteAllBytes(output + ".lock", []);
        File.WriteAllBytes(output + ".abcdefgh.ijk.partial", []);
        // Of a file whose name begins alike, and which another process may be writing.
        string foreign = output + ".b.safetensors.abcdefgh.ijk.partial";
        File.WriteAllBytes(foreign, []);
        ToolRun.Of("quantize", input, output).ShouldSucceed();

        Directory.GetFileSystemEntries(Out).Should().BeEquivalentTo(output, foreign);
    }

    [Test]
    public void RunsAtOnceLeaveAWholeFolder()
    {
        Dictionary<string, string> whole = Uninterrupted();
        ToolRun[] runs = new ToolRun[4];

        Parallel.For(0, runs.Length, run => runs[run] = ToolRun.Of("quantize", model.Path, Out));

        runs.Should().Contain(run => run.Code == ExitCode.Success).And.OnlyContain(run => run.Code == ExitCode.Success || run.Code == ExitCode.BadInput);
        ModelFolder.Snapshot(Out).Should().Equal(whole);
    }

    [Test]
    public void AFileWrittenTwiceAtOnceIsWhole()
    {
        string path = folder.File("small");

        AtomicFile.Write(path, outer =>
        {
            outer.Write("first"u8);
            AtomicFile.Write(path, "second"u8.ToArray());
            File.ReadAllText(path).Should().Be("second");
            outer.Write(" and last"u8);
        });

        File.ReadAllText(path).Should().Be("first and last");
        Directory.GetFiles(folder.File("."), "small*").Should().ContainSingle();
    }

    [Test]
    public void ALinkPlantedUnderATemporaryNameIsNotWrittenThrough()
    {
        string outside = folder.File("outside");
        File.WriteAllText(outside, "precious");
        Interrupt();
        foreach (string name in (string[])[ModelFolder.ShardA, ModelFolder.Index, "config.json", "tokenizer.json"])
        {
            File.CreateSymbolicLink(Path.Combine(Out, name + ".partial"), outside);
        }

        ToolRun.Of("quantize", model.Path, Out).ShouldSucceed();

        File.ReadAllText(outside).Should().Be("precious");
    }

    [Test]
    public void AProcessKilledAnywhereLeavesNothingHalfWrittenAndResumes()
    {
        var random = new Random(5);
        string input = folder.File("large");
        Directory.CreateDirectory(input);
        var files = new Dictionary<string, string>();
        for (int shard = 0; shard < 6; shard++)
        {
            string name = $"model-{shard}.safetensors";
            RawTensor tensor = RawTensor.Of<BFloat16>($"layer{shard}.weight", "BF16", Array.ConvertAll(new BFloat16[1 << 21], _ => (BFloat16)random.NextSingle()), 1 << 10, 1 << 11);
            File.WriteAllBytes(Path.Combine(input, name), RawTensor.File(tensor));
            files[tensor.Name] = name;
        }

        File.WriteAllText(Path.Combine(input, ModelFolder.Index), System.Text.Json.JsonSerializer.Serialize(new { weight_map = files }));
        ToolRun.Of("quantize", input, folder.File("whole")).ShouldSucceed();
        Dictionary<string, string> whole = ModelFolder.Snapshot(folder.File("whole"));

        for (int kill = 0; kill < 4; kill++)
        {
            // From the first byte written on: before that there is nothing to be killed in.
            int begun = Written(Out);
            using Process process = Start("quantize", input, Out);
            SpinWait.SpinUntil(() => Written(Out) > begun || process.HasExited, TimeSpan.FromSeconds(60));
            Thread.Sleep(random.Next(20));
            process.Kill();
            process.WaitForExit();
            foreach (string file in Directory.GetFiles(Out, "*.safetensors"))
            {
                File.ReadAllBytes(file).Should().Equal(File.ReadAllBytes(Path.Combine(folder.File("whole"), Path.GetFileName(file))));
            }

            if (IsFinished(Out))
            {
                break;
            }
        }

        if (!IsFinished(Out))
        {
            using Process last = Start("quantize", input, Out);
            last.WaitForExit();
            last.ExitCode.Should().Be(ExitCode.Success);
        }

        ModelFolder.Snapshot(Out).Should().Equal(whole);
    }

    private static bool IsFinished(string output) =>
        File.Exists(Path.Combine(output, Checkpoint.ConfigName)) && !File.Exists(Path.Combine(output, JobManifest.FileName));

    private static int Written(string output) => Directory.Exists(output) ? Directory.GetFileSystemEntries(output).Length : 0;

    private static Process Start(params string[] arguments)
    {
        string host = Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", "..", OperatingSystem.IsWindows() ? "dotnet.exe" : "dotnet");
        return Process.Start(new ProcessStartInfo(host, [typeof(ToolProgram).Assembly.Location, .. arguments]) { RedirectStandardOutput = true })!;
    }

    private Dictionary<string, string> Uninterrupted()
    {
        ToolRun.Of("quantize", model.Path, folder.File("whole")).ShouldSucceed();
        return ModelFolder.Snapshot(folder.File("whole"));
    }

    /// <summary>Leaves the output folder as a job does that was killed before its first file.</summary>
    private void Interrupt() => Begin().Dispose();

    /// <summary>Begins a job in the output folder, as another process does.</summary>
    private JobFolder Begin()
    {
        using var source = Checkpoint.Open(model.Path);
        ConversionPlan plan = QuantizePlanner.Plan(source, QuantizationScheme.Fp8Block128, RoundingMode.Nearest, new SkipRules([], withDefaults: true));
        return JobFolder.Take(Out, JobManifest.Of(source, plan));
    }
}
