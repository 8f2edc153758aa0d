using System.Text;
using BlockQuant.Tool;

namespace BlockQuant.Tests.Tool;

/// <summary>Damaged input of every sort ends in success or in one line of refusal, never in anything else, and only OUT is written.</summary>
public sealed class FuzzTests
{
    private const int Rounds = 150;

    private static readonly string[] Hostile =
    [
        "\"", "{", "}", "[", "]", ",", ":", "-1", "99999999999999999999", "1e308", "null", "\\u0000", "\\ud800", "../", "/", "BF16", "F8_E4M3", "I8", "weight", "weight_scale_inv",
        "__metadata__", "\"shape\":[0,0]", "NaN", "\u202e", "128", "9223372036854775807",
    ];

    private TemporaryFolder folder = null!;

    private string Out => folder.File("out");

    [SetUp]
    public void CreateFolder() => folder = new TemporaryFolder();

    [TearDown]
    public void DeleteFolder() => folder.Dispose();

    [Test]
    public void DamagedFiles()
    {
        var random = new Random(7);
        byte[] sound = RawTensor.File(
            RawTensor.RandomBFloat16("a.weight", random, 6, 10),
            RawTensor.Of<byte>("q.weight", "F8_E4M3", [1, 2, 3, 4], 2, 2),
            RawTensor.Of<float>("q.weight_scale_inv", "F32", [1], 1, 1));
        for (int round = 0; round < Rounds; round++)
        {
            Directory.CreateDirectory(folder.File("in"));
            File.WriteAllBytes(folder.File("in/model.safetensors"), Damage(sound, random));
            RunAll(round);
        }
    }

    [TestCase(ModelFolder.Index)]
    [TestCase("config.json")]
    [TestCase(ModelFolder.ShardB)]
    public void DamagedCheckpoints(string file)
    {
        var random = new Random(8);
        var model = new ModelFolder(folder.File("in"));
        string path = Path.Combine(model.Path, file);
        ToolRun.Of("quantize", model.Path, folder.File("q")).ShouldSucceed();
        byte[] sound = File.ReadAllBytes(file == "config.json" ? Path.Combine(folder.File("q"), file) : path);
        for (int round = 0; round < Rounds / 3; round++)
        {
            File.WriteAllBytes(path, Damage(sound, random));
            RunAll(round);
        }
    }

    [Test]
    public void DamagedJobs()
    {
        var random = new Random(9);
        var model = new ModelFolder(folder.File("in"));
        for (int round = 0; round < Rounds / 3; round++)
        {
            Directory.CreateDirectory(Out);
            byte[] manifest = new byte[random.Next(64)];
            random.NextBytes(manifest);
            File.WriteAllBytes(Path.Combine(Out, "blockquant-job.json"), manifest);
            ToolRun.Of("quantize", model.Path, Out).ShouldRefuse("unfinished job");
            Directory.GetFiles(Out).Should().HaveCount(1);
        }
    }

    private void RunAll(int round)
    {
        Dictionary<string, string> before = ModelFolder.Snapshot(folder.File("."));
        string input = folder.File("in");
        foreach (string[] arguments in (string[][])[["inspect", input], ["quantize", input, Out], ["dequantize", input, folder.File("out/back")], ["verify", input, input]])
        {
            ToolRun run = ToolRun.Of(arguments);
            string context = $"round {round}, {arguments[0]}: {run.Error}";
            run.Code.Should().BeOneOf([ExitCode.Success, ExitCode.Differences, ExitCode.BadInput], context);
            run.Error.Count(character => character == '\n').Should().BeLessThanOrEqualTo(run.Code == ExitCode.BadInput ? 1 : 8, context);
            run.Error.Should().NotContain("   at ", context);
        }

        if (Directory.Exists(Out))
        {
            Directory.Delete(Out, recursive: true);
        }

        ModelFolder.Snapshot(folder.File(".")).Should().Equal(before);
    }

    /// <summary>Some bytes changed, removed, added or replaced by what a parser stumbles over.</summary>
    private static byte[] Damage(byte[] sound, Random random)
    {
        List<byte> bytes = [.. sound];
        for (int times = random.Next(1, 4); times > 0 && bytes.Count > 0; times--)
        {
            int place = random.Next(Math.Min(bytes.Count, 600));
            switch (random.Next(5))
            {
                case 0:
                    bytes[place] = (byte)random.Next(256);
                    break;
                case 1:
                    bytes.RemoveRange(place, Math.Min(random.Next(1, 20), bytes.Count - place));
                    break;
                case 2:
                    bytes = bytes[..random.Next(bytes.Count)];
                    break;
                case 3:
                    bytes.InsertRange(place, Encoding.UTF8.GetBytes(Hostile[random.Next(Hostile.Length)]));
                    break;
                default:
                    byte[] word = Encoding.UTF8.GetBytes(Hostile[random.Next(Hostile.Length)]);
                    for (int i = 0; i < word.Length && place + i < bytes.Count; i++)
                    {
                        bytes[place + i] = word[i];
                    }

                    break;
            }
        }

        return [.. bytes];
    }
}
