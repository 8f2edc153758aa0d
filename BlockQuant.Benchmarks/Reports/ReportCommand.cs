namespace BlockQuant.Benchmarks.Reports;

/// <summary>
/// <c>report --results DIR --out DOCS [--readme FILE]</c>: from all results files of a folder, the tables of DOCS/performance.md and
/// DOCS/benchmarks/experiments.md, the plots DOCS/images/roofline-*.svg, and the table of FILE.
/// </summary>
internal static class ReportCommand
{
    // As readers look for them. What other suites time is no part of the library: kernels that were tried, or changed to see what they cost.
    private static readonly string[] Suites = ["dense", "deepgemm", "dense-bf16", "grouped", "batched", "int8", "quant", "lora", ResultRow.HostSuite];

    public static int Run(string[] arguments)
    {
        if (Arguments.Option(arguments, "--results") is not { } results || Arguments.Option(arguments, "--out") is not { } docs)
        {
            Console.Error.WriteLine("expected: report --results DIR --out DOCS [--readme FILE].");
            return 2;
        }

        ResultFile[] files = Directory.GetFiles(results, "*.json").Order(StringComparer.Ordinal).Select(ResultFile.Read).ToArray();
        ResultFile[] known = With(files, row => Suites.Contains(row.Suite)), tried = With(files, row => !Suites.Contains(row.Suite));
        GeneratedSection.Write(Path.Combine(docs, "performance.md"), "results", Markdown(known, docs));
        GeneratedSection.Write(Path.Combine(docs, "benchmarks", "experiments.md"), "experiments", Markdown(tried, plots: null));
        if (Arguments.Option(arguments, "--readme") is { } readme)
            GeneratedSection.Write(readme, "speed", SpeedTable.Of([.. files.SelectMany(file => file.Results)]));
        return 0;
    }

    private static ResultFile[] With(ResultFile[] files, Func<ResultRow, bool> wanted) =>
        [.. files.Select(file => file with { Results = [.. file.Results.Where(wanted)] }).Where(file => file.Results.Length > 0)];

    private static string Markdown(ResultFile[] files, string? plots)
    {
        var markdown = new List<string>();
        foreach (var device in files.GroupBy(file => file.Device))
        {
            ResultRow[] rows = device.SelectMany(file => file.Results).ToArray();
            ResultRow[] own = [.. rows.Where(row => row.Peer is null).OrderBy(row => Array.IndexOf(Suites, row.Suite))];
            ResultRow[] peers = Array.FindAll(rows, row => row.Peer is not null && own.Any(one => one.PeerSuite == row.Suite));
            markdown.Add($"### {device.Key}");
            markdown.AddRange(device.Select(file => $"- `{file.Name}`: {file}"));
            if (plots is not null && DevicePeaks.Of(device.Key) is { } peaks && own.Any(row => row is { Operations: > 0, Bytes: > 0 }))
            {
                string image = $"images/roofline-{device.Key.ToLowerInvariant().Replace(' ', '-')}.svg";
                Directory.CreateDirectory(Path.Combine(plots, "images"));
                File.WriteAllText(Path.Combine(plots, image), RooflinePlot.Of(own, peers, peaks));
                markdown.Add($"\n![Roofline of {device.Key}]({image})");
                markdown.Add($"\nBack to back. Roofs: {peaks.TeraflopsPerSecond:F0} TFLOP/s and {peaks.TerabytesPerSecond} TB/s, NVIDIA's figures for the device.");
            }

            markdown.Add(ResultTables.Of(own, peers));
        }

        return string.Join('\n', markdown);
    }
}
