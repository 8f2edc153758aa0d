using System.Net;
using System.Text;
using BlockQuant.Tool.Output;

namespace BlockQuant.Tool.Verification;

/// <summary>The result of <c>verify</c> as one page that loads nothing: no script, no style sheet, no picture of its own.</summary>
internal static class HtmlReport
{
    private const int LabelLength = 24;

    private const string Style = """
        body{font:14px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:1200px;padding:0 1rem;color:#1a2330;background:#fff}
        h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}
        svg{width:100%;height:auto;font-size:11px;fill:#455}
        .bar{fill:#2f6fb2}.grid{stroke:#dde3ea}.bound{stroke:#c0392b;stroke-dasharray:6 4}
        table{border-collapse:collapse;font-size:12px}td,th{padding:.25rem .6rem;border-bottom:1px solid #dde3ea;text-align:left;overflow-wrap:anywhere}
        tr.bad td{background:#fdecea}
        @media (prefers-color-scheme:dark){body{background:#12171d;color:#dbe3ec}svg{fill:#9ab}.bar{fill:#5b9bd5}.grid,td,th{stroke:#2a333d;border-color:#2a333d}tr.bad td{background:#43211f}}
        """;

    public static string Of(ComparisonReport report)
    {
        var page = new StringBuilder();
        page.Append("<!doctype html><html lang='en'><head><meta charset='utf-8'><meta name='viewport' content='width=device-width'>");
        page.Append($"<title>blockquant verify</title><style>{Style}</style></head><body><h1>blockquant verify</h1>");
        page.Append($"<p>A: {Encode(report.A)}<br>B: {Encode(report.B)}</p>");
        page.Append($"<p>{report.Tensors.Count} tensors compared, <b>{report.Differences} beyond the bounds</b> ");
        page.Append($"(relative error {PlainText.Number(report.Bounds.RelativeError)}, cosine {PlainText.Number(report.Bounds.Cosine)}).</p>");
        AppendErrors(page, report);
        AppendHistogram(page, report);
        AppendCodes(page, report);
        AppendTable(page, report);
        return page.Append("</body></html>").ToString();
    }

    private static void AppendErrors(StringBuilder page, ComparisonReport report)
    {
        TensorComparison[] compared = [.. report.Tensors.Where(tensor => tensor.Error is { Count: > 0 })];
        page.Append("<h2>Relative error of each tensor</h2><p>‖a − b‖ / ‖a‖; the dashed line is the bound.</p>");
        page.Append(SvgPlot.Bars(
            Array.ConvertAll(compared, tensor => tensor.Error!.RelativeError),
            index => Shorten(PlainText.Of(compared[index].Name)),
            index => $"{PlainText.Of(compared[index].Name)}: {PlainText.Number(compared[index].Error!.RelativeError)}",
            report.Bounds.RelativeError));
    }

    private static void AppendHistogram(StringBuilder page, ComparisonReport report)
    {
        long[] histogram = report.Histogram();
        double total = Math.Max(histogram.Sum(), 1);
        page.Append("<h2>Elements by relative error</h2><p>Share of all elements in percent by |a − b| / |a|; each bar reaches from its power of two to the next.</p>");
        page.Append(SvgPlot.Bars(
            Array.ConvertAll(histogram, count => 100 * count / total), ComparisonReport.BinName, bin => $"{ComparisonReport.BinName(bin)}: {histogram[bin]} elements"));
    }

    private static void AppendCodes(StringBuilder page, ComparisonReport report)
    {
        foreach (IGrouping<ElementFormat, CodeStatistics> format in report.Tensors.Select(tensor => tensor.Codes).OfType<CodeStatistics>().GroupBy(codes => codes.Format))
        {
            // Codes in the order of their values: FP8 keeps the sign apart from the magnitude, INT8 is two's complement.
            byte[] order = format.Key == ElementFormat.Float8E4M3
                ? [.. Enumerable.Range(0, 128).Select(code => (byte)(255 - code)), .. Enumerable.Range(0, 128).Select(code => (byte)code)]
                : [.. Enumerable.Range(0, 256).Select(code => (byte)(code - 128))];
            double[] shares = new double[256];
            double total = Math.Max(format.Sum(codes => codes.Counts.Sum()), 1);
            foreach (CodeStatistics codes in format)
            {
                for (int place = 0; place < 256; place++)
                {
                    shares[place] += 100 * codes.Counts[order[place]] / total;
                }
            }

            page.Append($"<h2>How often each {format.Key} code occurs</h2><p>Percent, in the order of the codes' values.</p>");
            page.Append(SvgPlot.Bars(shares, place => ValueOf(order[place], format.Key), place => $"{ValueOf(order[place], format.Key)}: {PlainText.Number(shares[place])} %"));
        }
    }

    private static void AppendTable(StringBuilder page, ComparisonReport report)
    {
        page.Append("<h2>Tensors</h2><table><tr><th>tensor<th>A<th>B<th>max error<th>relative error<th>cosine<th>saturated<th>zero blocks<th>verdict</tr>");
        foreach (TensorComparison tensor in report.Tensors)
        {
            page.Append(tensor.Difference(report.Bounds) is null ? "<tr>" : "<tr class='bad'>");
            foreach (string cell in ComparisonReport.Cells(tensor, report.Bounds))
            {
                page.Append("<td>").Append(Encode(cell));
            }

            page.Append("</tr>");
        }

        page.Append("</table>");
    }

    private static string ValueOf(byte code, ElementFormat format) =>
        format == ElementFormat.Float8E4M3 ? PlainText.Number(Float8E4M3.FromBits(code).ToSingle()) : ((sbyte)code).ToString();

    private static string Shorten(string name) => name.Length <= LabelLength ? name : "…" + name[^(LabelLength - 1)..];

    private static string Encode(string text) => WebUtility.HtmlEncode(PlainText.Of(text));
}
