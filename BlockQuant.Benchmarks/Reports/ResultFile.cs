using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using BlockQuant.Scheduling;

namespace BlockQuant.Benchmarks.Reports;

/// <summary>One timed row of a results file, the library's own or, with <see cref="Peer"/>, another library's.</summary>
internal sealed partial record ResultRow
{
    /// <summary>The suite whose variants say themselves what was found: it times the processor.</summary>
    public const string HostSuite = "host";

    public required string Suite { get; init; }

    public int M { get; init; }

    public int N { get; init; }

    public int K { get; init; }

    public string Variant { get; init; } = string.Empty;

    public string? Peer { get; init; }

    public double Error { get; init; }

    public double SpacedUs { get; init; }

    public double SustainedUs { get; init; }

    public double Operations { get; init; }

    public double Bytes { get; init; }

    /// <summary>Shape and suite: a peer's time is compared with that of the same problem.</summary>
    public (string Suite, int M, int N, int K) Problem => (PeerSuite, M, N, K);

    /// <summary>The suite whose peers' times are compared: from bf16, those of the product alone.</summary>
    public string PeerSuite => Suite == "dense-bf16" ? "dense" : Suite;

    /// <summary>With what a product computes and moves at least: codes, and bf16 out.</summary>
    /// <remarks>Of experts' products, what the row says: of batched ones, the weights that are read.</remarks>
    public ResultRow WithCounts() => Operations > 0 || Bytes > 0 ? this : Suite switch
    {
        "dense" or "int8" => this with { Operations = 2.0 * M * N * K, Bytes = (double)M * K + (double)N * K + 2.0 * M * N },
        "grouped" => this with { Operations = 2.0 * M * N * K },
        "batched" when TakenExperts().Match(Variant) is { Success: true } taken =>
            this with { Operations = 2.0 * M * N * K, Bytes = double.Parse(taken.Groups[1].Value, CultureInfo.InvariantCulture) * N * K },
        _ => this,
    };

    /// <summary>
    /// Whether the operator runs this kernel by itself: of a problem that was timed both with a quantizer ahead and in a kernel that quantizes, the
    /// one that the cost model expects to be faster.
    /// </summary>
    /// <param name="rows">The rows of the suite.</param>
    public bool IsDefaultAmong(IEnumerable<ResultRow> rows)
    {
        if (Suite != "dense-bf16" || rows.All(other => other.Problem != Problem || other.Quantizes == Quantizes))
            return true;
        Match plan = DecodePlan().Match(rows.First(row => row.Problem == Problem && row.Quantizes).Variant);
        return plan.Success && Quantizes == HopperScheduler.QuantizesInside(
            new HopperPlan(HopperKernelKind.Decode, Number(plan.Groups[1]), Number(plan.Groups[2]), Number(plan.Groups[3]), 1), N, K);
    }

    /// <summary>Whether a peer computed this row's problem from the same operands: its variant, if it has one, begins this row's.</summary>
    public bool IsComparedWith(ResultRow peer) => peer.Problem == Problem && Variant.StartsWith(peer.Variant, StringComparison.Ordinal);

    private bool Quantizes => Variant.EndsWith(" quantizing", StringComparison.Ordinal);

    private static int Number(Group digits) => int.Parse(digits.ValueSpan, CultureInfo.InvariantCulture);

    [GeneratedRegex("Decode ([0-9]+)x([0-9]+) split ([0-9]+)")]
    private static partial Regex DecodePlan();

    [GeneratedRegex("([0-9]+) taken")]
    private static partial Regex TakenExperts();
}

/// <summary>A results file as <c>--suite … --json FILE</c> and peers.py write them.</summary>
internal sealed record ResultFile
{
    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    public required string Device { get; init; }

    public string? Driver { get; init; }

    public string? Torch { get; init; }

    public string? Date { get; init; }

    public string? Commit { get; init; }

    public ResultRow[] Results { get; init; } = [];

    public string Name { get; private init; } = string.Empty;

    public static ResultFile Read(string path)
    {
        ResultFile file = JsonSerializer.Deserialize<ResultFile>(File.ReadAllText(path), Json)
            ?? throw new InvalidDataException($"{path} holds no results.");
        return file with
        {
            Name = Path.GetFileName(path),
            Results = file.Results.Where(row => row.SpacedUs > 0 || row.Suite == ResultRow.HostSuite).Select(row => row.WithCounts()).ToArray(),
        };
    }

    public override string ToString()
        => string.Join(", ", new[] { Device, Driver, Torch is null ? null : $"PyTorch {Torch}", Date, Commit is null ? null : $"commit {Commit}" }.OfType<string>());
}
