using System.Text.RegularExpressions;
using BlockQuant.Benchmarks.Reports;

namespace BlockQuant.Tests.Reports;

/// <summary>The report made of results files: what each row says, and which peer's row it is compared with.</summary>
public sealed class ReportTests
{
    private const string Ours = """
        { "device": "A GPU", "results": [
          { "suite": "grouped", "m": 4096, "n": 4096, "k": 7168, "variant": "bf16 32 experts GroupedPrefill 256x128", "spaced_us": 344, "sustained_us": 400 },
          { "suite": "grouped", "m": 4096, "n": 4096, "k": 7168, "variant": "codes 32 experts GroupedPrefill 256x128", "spaced_us": 320, "sustained_us": 360 },
          { "suite": "grouped", "m": 4096, "n": 4096, "k": 7168, "variant": "bf16 256 experts GroupedPrefill 64x128", "spaced_us": 1000, "sustained_us": 1000 },
          { "suite": "batched", "m": 64, "n": 4096, "k": 7168, "variant": "8 tokens x 8 of 32 experts, 30 taken, GroupedDecode 16x128", "spaced_us": 236, "sustained_us": 220.2 },
          { "suite": "dense-bf16", "m": 16, "n": 128, "k": 256, "variant": "Decode", "operations": 5e9, "bytes": 7e6, "spaced_us": 10, "sustained_us": 10 },
          { "suite": "dense-bf16", "m": 32, "n": 128, "k": 256, "variant": "quantizer and Decode 8x128 split 1", "spaced_us": 20, "sustained_us": 20 },
          { "suite": "dense-bf16", "m": 32, "n": 128, "k": 256, "variant": "Decode 8x128 split 1 quantizing", "spaced_us": 10, "sustained_us": 8 },
          { "suite": "dense-bf16", "m": 32, "n": 128, "k": 9000, "variant": "quantizer and Decode 8x128 split 1", "spaced_us": 10, "sustained_us": 10 },
          { "suite": "dense-bf16", "m": 32, "n": 128, "k": 9000, "variant": "Decode 8x128 split 1 quantizing", "spaced_us": 5, "sustained_us": 5 },
          { "suite": "tried", "m": 16, "n": 128, "k": 256, "variant": "upside down", "spaced_us": 10, "sustained_us": 10 },
          { "suite": "tried", "m": 16, "n": 128, "k": 512, "variant": "read alone", "operations": 5e9, "bytes": 7e6, "spaced_us": 9, "sustained_us": 0 },
          { "suite": "tried", "m": 16, "n": 128, "k": 512, "variant": "failed", "spaced_us": 0, "sustained_us": 0 },
          { "suite": "dense", "m": 16, "n": 128, "k": 256, "variant": "Decode", "spaced_us": 10, "sustained_us": 10 },
          { "suite": "dense", "m": 16, "n": 128, "k": 512, "variant": "Decode", "spaced_us": 10, "sustained_us": 10 },
          { "suite": "dense", "m": 8, "n": 128, "k": 512, "variant": "Decode", "spaced_us": 10, "sustained_us": 10 },
          { "suite": "host", "m": 16, "n": 128, "k": 256, "variant": "call of everything: 3 us" }
        ] }
        """;

    private const string Peers = """
        { "device": "A GPU", "torch": "2.11", "results": [
          { "suite": "grouped", "m": 4096, "n": 4096, "k": 7168, "peer": "rowwise", "variant": "codes 32 experts", "spaced_us": 400, "sustained_us": 450 },
          { "suite": "grouped", "m": 4096, "n": 4096, "k": 7168, "peer": "triton", "variant": "bf16 32 experts", "spaced_us": 1032, "sustained_us": 1000 },
          { "suite": "batched", "m": 64, "n": 4096, "k": 7168, "peer": "triton", "variant": "8 tokens x 8 of 32 experts", "spaced_us": 118, "sustained_us": 440.4 },
          { "suite": "batched", "m": 64, "n": 4096, "k": 7168, "peer": "rowwise", "variant": "8 tokens x 8 of 32 experts", "failure": "RuntimeError: no" },
          { "suite": "dense", "m": 16, "n": 128, "k": 256, "peer": "cublaslt_block", "spaced_us": 12, "sustained_us": 15 },
          { "suite": "dense", "m": 16, "n": 128, "k": 512, "peer": "cublaslt_block", "spaced_us": 27, "sustained_us": 9.6 },
          { "suite": "dense", "m": 8, "n": 128, "k": 512, "peer": "cublaslt_block", "spaced_us": 20, "sustained_us": 30 },
          { "suite": "dense", "m": 32, "n": 128, "k": 256, "peer": "cublaslt_block", "spaced_us": 20, "sustained_us": 24 },
          { "suite": "dense", "m": 32, "n": 128, "k": 9000, "peer": "cublaslt_block", "spaced_us": 80, "sustained_us": 120 }
        ] }
        """;

    [Test]
    public void ExpertsAreComparedWithPeersOfTheSameExpertsAndInput()
    {
        string report = Report();

        report.Should().Contain("| M | rowwise | lowest | triton | lowest |")
            .And.Contain("| 4096 | 1.25 / 1.25 (1) | 1.25 / 1.25 | 3.00 / 2.50 (1) | 3.00 / 2.50 |", "256 experts have no peer here");
        report.Should().Contain("| M | triton | lowest |").And.Contain("| 64 | 0.50 / 2.00 (1) | 0.50 / 2.00 |", "a peer that failed is left out");
        report.Should().Contain("| M | cublaslt_block | lowest |").And.Contain("| 16 | 1.20 / 1.50 (1) | 1.20 / 1.50 |", "a dense peer has no variant");
    }

    [Test]
    public void OfTwoKernelsOfAProblemTheDefaultOneIsCompared()
    {
        // Quantized inside with 2 blocks of K, ahead with 71: 20 / 10 and 80 / 10, 24 / 8 and 120 / 10.
        string report = Report();

        report.Should().Contain("| 32 | 4.00 / 6.00 (2) | 2.00 / 3.00 |");
        report.Should().Contain("| 20.0 | 20.0 |").And.Contain("| 5.0 | 5.0 |", "the table has both");
    }

    [Test]
    public void SuitesComeInTheirOrderAndExperimentsInADocumentOfTheirOwn()
    {
        string report = Report(), experiments = Report("benchmarks/experiments.md");

        Regex.Matches(report, "#### Suite `(.*)`").Select(suite => suite.Groups[1].Value).Should().Equal("dense", "dense-bf16", "grouped", "batched", "host");
        Regex.Matches(experiments, "#### Suite `(.*)`").Select(suite => suite.Groups[1].Value).Should().Equal("tried");
        report.Should().Contain("- call of everything: 3 us").And.NotContain("upside down");
        experiments.Should().Contain("| read alone |  | 9.0 |  |  |  |", "it has no time back to back").And.NotContain("failed");
        experiments.Should().Contain("upside down").And.Contain("`ours.json`").And.NotContain("`peers.json`");
    }

    [Test]
    public void TheReadmeSaysTheMeanAndTheLowest()
        => Report("README.md").Should().Contain(
            """
            | tokens | 8 | 16 |
            |---|---:|---:|
            | after idle, cold cache | 2.00 | 1.80 |
            | the slowest shape of them | 2.00 | 1.20 |
            | back to back | 3.00 | 1.20 |
            | the slowest shape of them | 3.00 | 0.96 |
            """);

    [Test]
    public void ExpertsRowsSayHowFastTheyComputeAndRead()
    {
        string report = Report();

        // 2 · 4096 · 4096 · 7168 in 400 us; 30 experts of 4096 · 7168 bytes in 220.2 us.
        report.Should().Contain("| 344.0 | 400.0 | 601 |  |").And.Contain("| 236.0 | 220.2 | 17 | 4000 |");
        report.Should().Contain("| 10.0 | 10.0 | 500 | 700 |", "what the file says counts");
    }

    private static string Report(string document = "performance.md")
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("ours.json"), Ours);
        File.WriteAllText(folder.File("peers.json"), Peers);
        Directory.CreateDirectory(folder.File("benchmarks"));
        foreach ((string file, string section) in (ReadOnlySpan<(string, string)>)[("performance.md", "results"), ("benchmarks/experiments.md", "experiments"), ("README.md", "speed")])
        {
            File.WriteAllText(folder.File(file), $"<!-- generated: {section} -->\n<!-- end -->\n");
        }

        ReportCommand.Run(["--results", folder.File("."), "--out", folder.File("."), "--readme", folder.File("README.md")]).Should().Be(0);
        return File.ReadAllText(folder.File(document));
    }
}
