using System.Globalization;
using System.Net;
using System.Text;

namespace BlockQuant.Tool.Verification;

/// <summary>Bar charts as SVG text, with nothing from outside the page.</summary>
internal static class SvgPlot
{
    private const int Width = 960;
    private const int PlotHeight = 240;
    private const int Left = 70;
    private const int Top = 10;
    private const int Bottom = 90;

    /// <summary>A bar for each value, up from zero.</summary>
    /// <param name="values">The heights; not negative.</param>
    /// <param name="labels">What stands under each bar.</param>
    /// <param name="titles">What is shown when the pointer rests on a bar.</param>
    /// <param name="bound">A height to mark with a line, or null.</param>
    public static string Bars(IReadOnlyList<double> values, Func<int, string> labels, Func<int, string> titles, double? bound = null)
    {
        double top = Math.Max(values.Where(double.IsFinite).DefaultIfEmpty(0).Max(), bound ?? 0);
        top = top > 0 ? top * 1.05 : 1;
        double step = (double)(Width - Left) / Math.Max(values.Count, 1);
        int labelEvery = (int)Math.Ceiling(14 / step);
        var svg = new StringBuilder();
        svg.Append(Invariant($"<svg viewBox='0 0 {Width} {Top + PlotHeight + Bottom}' role='img'>"));
        for (int tick = 0; tick <= 4; tick++)
        {
            double value = top * tick / 4;
            svg.Append(Invariant($"<line class='grid' x1='{Left}' x2='{Width}' y1='{Y(value, top):F1}' y2='{Y(value, top):F1}'/>"));
            svg.Append(Invariant($"<text x='{Left - 6}' y='{Y(value, top) + 4:F1}' text-anchor='end'>{value:G3}</text>"));
        }

        for (int index = 0; index < values.Count; index++)
        {
            double y = Y(double.IsFinite(values[index]) ? values[index] : top, top);
            double x = Left + index * step;
            svg.Append(Invariant($"<rect class='bar' x='{x:F2}' y='{y:F2}' width='{Math.Max(step * 0.85, 0.5):F2}' height='{Top + PlotHeight - y:F2}'>"));
            svg.Append($"<title>{WebUtility.HtmlEncode(titles(index))}</title></rect>");
            if (index % labelEvery == 0)
            {
                double middle = x + step / 2;
                svg.Append(Invariant($"<text transform='translate({middle:F1} {Top + PlotHeight + 12}) rotate(-45)' text-anchor='end'>"));
                svg.Append($"{WebUtility.HtmlEncode(labels(index))}</text>");
            }
        }

        if (bound is { } limit)
        {
            svg.Append(Invariant($"<line class='bound' x1='{Left}' x2='{Width}' y1='{Y(limit, top):F1}' y2='{Y(limit, top):F1}'/>"));
        }

        return svg.Append("</svg>").ToString();
    }

    private static double Y(double value, double top) => Top + PlotHeight * (1 - value / top);

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
