using System.Globalization;
using System.Text;

namespace BlockQuant.Benchmarks.Reports;

/// <summary>Results as Markdown: first how many times as fast as each peer, then every row.</summary>
internal static class ResultTables
{
    public static string Of(IReadOnlyList<ResultRow> own, IReadOnlyList<ResultRow> peers)
    {
        var text = new StringBuilder();
        foreach (var suite in own.GroupBy(row => row.Suite))
        {
            string[] names = peers.Where(row => row.Suite == suite.First().PeerSuite).Select(row => row.Peer!).Distinct().ToArray();
            var of = names.ToDictionary(name => name, name => peers.Where(row => row.Peer == name).ToArray());
            text.Append($"\n#### Suite `{suite.Key}`\n");
            if (names.Length > 0)
                text.Append(Ratios(suite, names, of));
            if (suite.Key == ResultRow.HostSuite)
                text.Append('\n').AppendJoin(string.Empty, suite.Select(row => $"- {row.Variant}\n"));
            else
                text.Append(Shapes(suite));
        }

        return text.ToString();
    }

    private static string Shapes(IEnumerable<ResultRow> suite)
    {
        var text = new StringBuilder("\n<details><summary>Every shape</summary>\n\n");
        text.Append("| M | N | K | kernel | error | spaced µs | sustained µs | TFLOP/s | GB/s |\n|---:|---:|---:|---|---:|---:|---:|---:|---:|\n");
        return text.AppendJoin(string.Empty, suite.Select(Row)).Append("\n</details>\n").ToString();
    }

    private static string Ratios(IEnumerable<ResultRow> suite, string[] names, Dictionary<string, ResultRow[]> peers)
    {
        var text = new StringBuilder("\nTimes as fast as, spaced / sustained: geometric mean over the shapes (how many), and the lowest of any shape.\n\n| M |");
        text.AppendJoin(string.Empty, names.Select(name => $" {name} | lowest |")).Append("\n|---:|").Append(string.Concat(names.Select(_ => "---:|---:|"))).Append('\n');
        foreach (var batch in suite.Where(row => row.IsDefaultAmong(suite)).GroupBy(row => row.M))
        {
            Comparison?[] cells = Array.ConvertAll(names, name => Comparison.Of(batch, peers[name]));
            if (cells.Any(cell => cell is not null))
                text.Append(CultureInfo.InvariantCulture, $"| {batch.Key} |").AppendJoin(string.Empty, cells.Select(Cells)).Append('\n');
        }

        return text.ToString();
    }

    private static string Cells(Comparison? found) => found is null ? "  |  |" : $" {found.Mean} ({found.Shapes}) | {found.Lowest} |";

    private static string Row(ResultRow row)
    {
        string error = row.Error > 0 ? row.Error.ToString("E1", CultureInfo.InvariantCulture) : string.Empty;
        string sustained = row.SustainedUs > 0 ? row.SustainedUs.ToString("F1", CultureInfo.InvariantCulture) : string.Empty;
        string teraflops = row.Operations > 0 && row.SustainedUs > 0 ? (row.Operations / row.SustainedUs / 1e6).ToString("F0", CultureInfo.InvariantCulture) : string.Empty;
        string gigabytes = row.Bytes > 0 && row.SustainedUs > 0 ? (row.Bytes / row.SustainedUs / 1e3).ToString("F0", CultureInfo.InvariantCulture) : string.Empty;
        return FormattableString.Invariant(
            $"| {row.M} | {row.N} | {row.K} | {row.Variant} | {error} | {row.SpacedUs:F1} | {sustained} | {teraflops} | {gigabytes} |\n");
    }
}
