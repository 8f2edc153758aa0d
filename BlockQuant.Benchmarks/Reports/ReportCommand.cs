namespace BlockQuant.Benchmarks.Reports;

/// <summary>
/// <c>report --results DIR --out DOCS</c>: from all results files of a folder, the tables of DOCS/performance.md and the plots
/// DOCS/images/roofline-*.svg.
/// </summary>
internal static class ReportCommand
{
    public static int Run(string[] arguments)
    {
        if (Arguments.Option(arguments, "--results") is not { } results || Arguments.Option(arguments, "--out") is not { } docs)
        {
            Console.Error.WriteLine("expected: report --results DIR --out DOCS.");
            return 2;
        }

        ResultFile[] files = Directory.GetFiles(results, "*.json").Order(StringComparer.Ordinal).Select(ResultFile.Read).ToArray();
        var markdown = new List<string>();
        foreach (var device in files.GroupBy(file => file.Device))
        {
            ResultRow[] rows = device.SelectMany(file => file.Results).ToArray();
            ResultRow[] own = Array.FindAll(rows, row => row.Peer is null);
            ResultRow[] peers = Array.FindAll(rows, row => row.Peer is not null && own.Any(one => one.PeerSuite == row.Suite));
            markdown.Add($"### {device.Key}");
            markdown.AddRange(device.Select(file => $"- `{file.Name}`: {file}"));
            if (DevicePeaks.Of(device.Key) is { } peaks && own.Any(row => row is { Operations: > 0, Bytes: > 0 }))
            {
                string image = $"images/roofline-{device.Key.ToLowerInvariant().Replace(' ', '-')}.svg";
                Directory.CreateDirectory(Path.Combine(docs, "images"));
                File.WriteAllText(Path.Combine(docs, image), RooflinePlot.Of(own, peers, peaks));
                markdown.Add($"\n![Roofline of {device.Key}]({image})");
                markdown.Add($"\nBack to back. Roofs: {peaks.TeraflopsPerSecond:F0} TFLOP/s and {peaks.TerabytesPerSecond} TB/s, NVIDIA's figures for the device.");
            }

            markdown.Add(ResultTables.Of(own, peers));
        }

        GeneratedSection.Write(Path.Combine(docs, "performance.md"), "results", string.Join('\n', markdown));
        return 0;
    }
}
