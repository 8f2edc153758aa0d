using System.Globalization;
using System.Text;
using System.Text.Json;
using BlockQuant.Benchmarks.Reports;

namespace BlockQuant.Benchmarks.HostEngine;

/// <summary>
/// <c>host [--rounds 15] [--only TEXT] [--json FILE] [--out DOCS]</c>: times the host engine, or the cases whose names have TEXT, and the machine's
/// limits in the same rounds; prints the tables as Markdown, and writes them into DOCS/benchmarks/host-engine.md.
/// </summary>
internal static class HostEngineCommand
{
    private const double LimitOperations = 4e10;

    private static readonly JsonSerializerOptions Json = new() { WriteIndented = true };

    public static int Run(string[] arguments)
    {
        int rounds = int.Parse(Arguments.Option(arguments, "--rounds") ?? "15", CultureInfo.InvariantCulture);
        string only = Arguments.Option(arguments, "--only") ?? string.Empty;
        HostMeasurement[] products = Measure(ProductCases.All().Where(one => one.Name.Contains(only, StringComparison.Ordinal)), rounds);
        Console.WriteLine(Table(products));
        HostMeasurement[] quantizers = Measure(new QuantizerCases().All().Where(one => one.Name.Contains(only, StringComparison.Ordinal)), rounds);
        Console.WriteLine(Table(quantizers));
        if (Arguments.Option(arguments, "--json") is { } file)
            File.WriteAllText(file, JsonSerializer.Serialize(new { Products = products, Quantizers = quantizers }, Json));
        if (Arguments.Option(arguments, "--out") is { } docs)
        {
            string document = Path.Combine(docs, "benchmarks", "host-engine.md");
            GeneratedSection.Write(document, "products", Table(products));
            GeneratedSection.Write(document, "quantizers", Table(quantizers));
        }

        return 0;
    }

    /// <summary>The limits first, then the cases.</summary>
    private static HostMeasurement[] Measure(IEnumerable<HostCase> cases, int rounds)
    {
        var limits = new MachineLimits();
        HostCase[] ofMachine =
        [
            new("multiply-adds in registers", LimitOperations, 0, () => MachineLimits.MultiplyAdds(LimitOperations / 2)),
            new("copy", 0, 2.0 * MachineLimits.Bytes, limits.Copy),
            new("copy past the caches", 0, 2.0 * MachineLimits.Bytes, limits.CopyPastCaches),
            new("read", 0, MachineLimits.Bytes, limits.Read),
        ];
        return HostCase.Measure([.. ofMachine, .. cases], rounds);
    }

    private static string Table(HostMeasurement[] measured)
    {
        double peak = measured[0].Gigaflops;
        double copy = Math.Max(measured[1].Gigabytes, measured[2].Gigabytes);
        double leastCopy = Math.Max(measured[1].MostGigabytes, measured[2].MostGigabytes);
        var text = new StringBuilder(
            "| | median ms | least ms | processor ms, median | GFLOP/s | of peak | GB/s | of copy, medians | of copy, least times |\n"
            + "|---|---:|---:|---:|---:|---:|---:|---:|---:|\n");
        foreach (HostMeasurement row in measured)
        {
            text.Append(CultureInfo.InvariantCulture, $"| {row.Name} | {row.Times.Median:F2} | {row.Times.Minimum:F2} | {row.Times.ProcessorMedian:F2} |");
            text.Append(row.Operations > 0 ? FormattableString.Invariant($" {row.Gigaflops:F0} | {row.Gigaflops / peak:P0} |") : " | |");
            text.Append(row.Bytes > 0 ? FormattableString.Invariant($" {row.Gigabytes:F1} | {row.Gigabytes / copy:P0} | {row.MostGigabytes / leastCopy:P0} |") : " | | |");
            text.Append('\n');
        }

        return text.ToString();
    }
}
