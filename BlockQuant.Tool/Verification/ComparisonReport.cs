using BlockQuant.Tool.Output;

namespace BlockQuant.Tool.Verification;

/// <summary>The result of <c>verify</c>, as a table, as JSON, or as the data of a page.</summary>
internal sealed record ComparisonReport(string A, string B, ComparisonBounds Bounds, IReadOnlyList<TensorComparison> Tensors)
{
    /// <summary>Tensors beyond the bounds.</summary>
    public int Differences => Tensors.Count(tensor => tensor.Difference(Bounds) is not null);

    /// <summary>Elements of all tensors by |a − b| / |a|.</summary>
    public long[] Histogram()
    {
        var total = new long[ErrorStatistics.Bins];
        foreach (TensorComparison tensor in Tensors)
        {
            for (int bin = 0; bin < total.Length && tensor.Error is not null; bin++)
            {
                total[bin] += tensor.Error.Histogram[bin];
            }
        }

        return total;
    }

    public static string BinName(int bin) => ErrorStatistics.ExponentOf(bin) is { } exponent ? $"2^{exponent}" : "equal";

    public void Write(ToolConsole console)
    {
        console.WriteTable(
            ["tensor", "A", "B", "max error", "relative error", "cosine", "saturated", "zero blocks", "verdict"],
            Tensors.Select(tensor => Cells(tensor, Bounds)));
        long[] histogram = Histogram();
        long count = histogram.Sum();
        if (count > 0)
        {
            console.WriteTable(
                ["|a - b| / |a| from", "elements", "share"],
                Enumerable.Range(0, histogram.Length)
                    .Where(bin => histogram[bin] > 0)
                    .Select(bin => new[] { BinName(bin), histogram[bin].ToString(), $"{PlainText.Number(100.0 * histogram[bin] / count)} %" }));
        }

        console.WriteLine($"{Tensors.Count} tensors compared, {Differences} beyond the bounds (relative error {Bounds.RelativeError}, cosine {Bounds.Cosine})");
    }

    /// <summary>One row of the table, here and on the page.</summary>
    public static string[] Cells(TensorComparison tensor, ComparisonBounds bounds) =>
    [
        tensor.Name,
        Describe(tensor.A),
        Describe(tensor.B),
        tensor.Error is null ? string.Empty : PlainText.Number(tensor.Error.MaxError),
        tensor.Error is null ? string.Empty : PlainText.Number(tensor.Error.RelativeError),
        tensor.Error is null ? string.Empty : tensor.Error.Cosine.ToString("F6", System.Globalization.CultureInfo.InvariantCulture),
        tensor.Codes is null ? string.Empty : tensor.Codes.Saturated.ToString(),
        tensor.Codes is null ? string.Empty : tensor.Codes.ZeroBlocks.ToString(),
        tensor.Difference(bounds) ?? "ok",
    ];

    public object ToJson() => new
    {
        A,
        B,
        Bounds,
        Differences,
        HistogramBins = Enumerable.Range(0, ErrorStatistics.Bins).Select(BinName),
        Histogram = Histogram(),
        Tensors = Tensors.Select(tensor => new
        {
            tensor.Name,
            A = tensor.A is { } a ? new { Dtype = a.DTypeName, a.Shape } : null,
            B = tensor.B is { } b ? new { Dtype = b.DTypeName, b.Shape } : null,
            tensor.Error?.MaxError,
            tensor.Error?.RelativeError,
            tensor.Error?.Cosine,
            tensor.Error?.NotFinite,
            tensor.Error?.Histogram,
            tensor.Codes?.Saturated,
            NanCodes = tensor.Codes?.NaN,
            tensor.Codes?.ZeroBlocks,
            Difference = tensor.Difference(Bounds),
        }),
    };

    private static string Describe(Storage.TensorInfo? tensor) => tensor is null ? "-" : $"{tensor.DTypeName} {PlainText.Shape(tensor.Shape)}";
}
