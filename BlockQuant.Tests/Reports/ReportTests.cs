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
          { "suite": "dense-bf16", "m": 16, "n": 128, "k": 256, "variant": "Decode", "operations": 5e9, "bytes": 7e6, "spaced_us": 10, "sustained_us": 10 }
        ] }
        """;

    private const string Peers = """
        { "device": "A GPU", "torch": "2.11", "results": [
          { "suite": "grouped", "m": 4096, "n": 4096, "k": 7168, "peer": "rowwise", "variant": "codes 32 experts", "spaced_us": 400, "sustained_us": 450 },
          { "suite": "grouped", "m": 4096, "n": 4096, "k": 7168, "peer": "triton", "variant": "bf16 32 experts", "spaced_us": 1032, "sustained_us": 1000 },
          { "suite": "batched", "m": 64, "n": 4096, "k": 7168, "peer": "triton", "variant": "8 tokens x 8 of 32 experts", "spaced_us": 118, "sustained_us": 440.4 },
          { "suite": "batched", "m": 64, "n": 4096, "k": 7168, "peer": "rowwise", "variant": "8 tokens x 8 of 32 experts", "failure": "RuntimeError: no" },
          { "suite": "dense", "m": 16, "n": 128, "k": 256, "peer": "block", "spaced_us": 12, "sustained_us": 15 }
        ] }
        """;

    [Test]
    public void ExpertsAreComparedWithPeersOfTheSameExpertsAndInput()
    {
        string report = Report();

        report.Should().Contain("| M | rowwise | triton |").And.Contain("| 4096 | 1.25 / 1.25 (1) | 3.00 / 2.50 (1) |", "256 experts have no peer here");
        report.Should().Contain("| M | triton |").And.Contain("| 64 | 0.50 / 2.00 (1) |", "a peer that failed is left out");
        report.Should().Contain("| M | block |").And.Contain("| 16 | 1.20 / 1.50 (1) |", "a dense peer has no variant");
    }

    [Test]
    public void ExpertsRowsSayHowFastTheyComputeAndRead()
    {
        string report = Report();

        // 2 · 4096 · 4096 · 7168 in 400 us; 30 experts of 4096 · 7168 bytes in 220.2 us.
        report.Should().Contain("| 344.0 | 400.0 | 601 |  |").And.Contain("| 236.0 | 220.2 | 17 | 4000 |");
        report.Should().Contain("| 10.0 | 10.0 | 500 | 700 |", "what the file says counts");
    }

    private static string Report()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("ours.json"), Ours);
        File.WriteAllText(folder.File("peers.json"), Peers);
        string document = folder.File("performance.md");
        File.WriteAllText(document, "<!-- generated: results -->\n<!-- end -->\n");
        ReportCommand.Run(["--results", Path.GetDirectoryName(document)!, "--out", Path.GetDirectoryName(document)!]).Should().Be(0);
        return File.ReadAllText(document);
    }
}
