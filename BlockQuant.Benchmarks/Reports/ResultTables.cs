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
            text.Append("\n<details><summary>Every shape</summary>\n\n");
            text.Append("| M | N | K | kernel | error | spaced µs | sustained µs | TFLOP/s | GB/s |\n|---:|---:|---:|---|---:|---:|---:|---:|---:|\n");
            foreach (ResultRow row in suite)
                text.Append(Row(row));
            text.Append("\n</details>\n");
        }

        return text.ToString();
    }

    private static string Ratios(IEnumerable<ResultRow> suite, string[] names, Dictionary<string, ResultRow[]> peers)
    {
        var text = new StringBuilder("\nTimes as fast as, spaced / sustained, geometric mean over the shapes (how many):\n\n| M |");
        text.Append(string.Concat(names.Select(name => $" {name} |"))).Append("\n|---:|").Append(string.Concat(names.Select(_ => "---:|"))).Append('\n');
        foreach (var batch in suite.GroupBy(row => row.M))
        {
            string[] cells = names.Select(name => Ratio(batch, peers[name])).ToArray();
            if (cells.Any(cell => cell.Length > 0))
                text.Append(CultureInfo.InvariantCulture, $"| {batch.Key} |{string.Concat(cells.Select(cell => $" {cell} |"))}\n");
        }

        return text.ToString();
    }

    private static string Ratio(IEnumerable<ResultRow> rows, ResultRow[] peer)
    {
        var pairs = rows.SelectMany(row => peer.Where(row.IsComparedWith), (row, other) => (Spaced: other.SpacedUs / row.SpacedUs, Sustained: other.SustainedUs / row.SustainedUs)).ToArray();
        return pairs.Length == 0
            ? string.Empty
            : FormattableString.Invariant($"{Mean(pairs.Select(pair => pair.Spaced)):F2} / {Mean(pairs.Select(pair => pair.Sustained)):F2} ({pairs.Length})");
    }

    private static double Mean(IEnumerable<double> ratios) => Math.Exp(ratios.Average(Math.Log));

    private static string Row(ResultRow row)
    {
        string error = row.Error > 0 ? row.Error.ToString("E1", CultureInfo.InvariantCulture) : string.Empty;
        string teraflops = row.Operations > 0 ? (row.Operations / row.SustainedUs / 1e6).ToString("F0", CultureInfo.InvariantCulture) : string.Empty;
        string gigabytes = row.Bytes > 0 ? (row.Bytes / row.SustainedUs / 1e3).ToString("F0", CultureInfo.InvariantCulture) : string.Empty;
        return FormattableString.Invariant(
            $"| {row.M} | {row.N} | {row.K} | {row.Variant} | {error} | {row.SpacedUs:F1} | {row.SustainedUs:F1} | {teraflops} | {gigabytes} |\n");
    }
}
