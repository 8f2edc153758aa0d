using System.Globalization;
using System.Text;
using BlockQuant.Benchmarks.Reports;

namespace BlockQuant.Benchmarks.Accuracy;

/// <summary>
/// <c>accuracy --out DOCS</c>: measures the schemes on synthetic matrices and writes the tables of DOCS/choosing-a-scheme.md and the plot
/// DOCS/images/accuracy.svg. Seeded, so that a second run writes the same.
/// </summary>
internal static class AccuracyCommand
{
    private const double HeavyTail = 3;

    public static int Run(string[] arguments)
    {
        if (Arguments.Option(arguments, "--out") is not { } docs)
        {
            Console.Error.WriteLine("expected: accuracy --out DOCS.");
            return 2;
        }

        var study = new AccuracyStudy();
        var errors = SchemeUnderTest.OfWeights.ToDictionary(scheme => scheme, scheme => AccuracyStudy.Tails.ToDictionary(tail => tail, tail => study.WeightError(scheme, tail)));
        Directory.CreateDirectory(Path.Combine(docs, "images"));
        File.WriteAllText(Path.Combine(docs, "images", "accuracy.svg"), Plot(errors));
        GeneratedSection.Write(Path.Combine(docs, "choosing-a-scheme.md"), "weights", WeightTable(errors));
        GeneratedSection.Write(Path.Combine(docs, "choosing-a-scheme.md"), "products", ProductTable(study));
        return 0;
    }

    private static string WeightTable(Dictionary<SchemeUnderTest, Dictionary<double, double>> errors)
    {
        double[] tails = [double.PositiveInfinity, 6, HeavyTail];
        var text = new StringBuilder("| weights | bits a value | normal | t, 6 degrees of freedom | t, 3 degrees of freedom |\n|---|---:|---:|---:|---:|\n");
        foreach (var (scheme, measured) in errors)
        {
            text.Append(CultureInfo.InvariantCulture, $"| {scheme.Name} | {scheme.BitsAValue(AccuracyStudy.Rows, AccuracyStudy.Columns):F3} |");
            text.Append(string.Concat(tails.Select(tail => $" {Percent(measured[tail])} |"))).Append('\n');
        }

        return text.Append("\n![Error of the weights over the weight of the distribution's tail](images/accuracy.svg)").ToString();
    }

    private static string ProductTable(AccuracyStudy study)
    {
        var text = new StringBuilder("| activations | weights | normal activations | activations with outlier columns |\n|---|---|---:|---:|\n");
        foreach (var (activations, weights) in SchemeUnderTest.OfProducts)
        {
            string[] cells = Array.ConvertAll([false, true], outliers => Percent(study.ProductError(activations, weights, HeavyTail, outliers)));
            text.Append(CultureInfo.InvariantCulture, $"| {activations.Name} | {weights.Name} | {cells[0]} | {cells[1]} |\n");
        }

        return text.ToString();
    }

    private static string Plot(Dictionary<SchemeUnderTest, Dictionary<double, double>> errors)
    {
        string[] names = Array.ConvertAll(AccuracyStudy.Tails, tail => double.IsInfinity(tail) ? "normal" : tail.ToString(CultureInfo.InvariantCulture));
        var x = SvgAxis.Names("degrees of freedom of Student's t: the tail is heavier to the left", names);
        var y = SvgAxis.PowersOfTen("relative error of the weights", errors.Values.SelectMany(measured => measured.Values));
        var chart = new SvgChart(x, y);
        foreach (var (scheme, measured) in errors)
            chart.Line(scheme.Name, AccuracyStudy.Tails.Select((tail, index) => ((double)index, measured[tail])), dashed: scheme.Scheme.Format == ElementFormat.Int8);
        return chart.ToString();
    }

    private static string Percent(double error) => (100 * error).ToString("F2", CultureInfo.InvariantCulture) + " %";
}
