using System.Text;

namespace BlockQuant.Benchmarks.Reports;

/// <summary>The README's table: dense products of codes beside cuBLASLt's of the same codes and scales.</summary>
internal static class SpeedTable
{
    private const string Suite = "dense", Peer = "cublaslt_block";

    public static string Of(IReadOnlyCollection<ResultRow> rows)
    {
        ResultRow[] peer = [.. rows.Where(row => row.Suite == Suite && row.Peer == Peer)];
        (int M, Comparison Found)[] columns =
        [
            .. from batch in rows.Where(row => row.Suite == Suite && row.Peer is null).GroupBy(row => row.M)
               orderby batch.Key
               let found = Comparison.Of(batch, peer)
               where found is not null
               select (batch.Key, found),
        ];
        var text = new StringBuilder();
        text.Append("| tokens |").AppendJoin(string.Empty, columns.Select(column => $" {column.M} |"));
        text.Append("\n|---|").AppendJoin(string.Empty, columns.Select(_ => "---:|")).Append('\n');
        text.Append(Line("after idle, cold cache", columns, found => found.Mean.Spaced));
        text.Append(Line("the slowest shape of them", columns, found => found.Lowest.Spaced));
        text.Append(Line("back to back", columns, found => found.Mean.Sustained));
        text.Append(Line("the slowest shape of them", columns, found => found.Lowest.Sustained));
        return text.ToString();
    }

    private static string Line(string name, (int M, Comparison Found)[] columns, Func<Comparison, double> ratio)
        => $"| {name} |{string.Concat(columns.Select(column => FormattableString.Invariant($" {ratio(column.Found):F2} |")))}\n";
}
