using System.Globalization;
using System.Net;
using System.Text;

namespace BlockQuant.Benchmarks.Reports;

/// <summary>Lines and points over two axes, as an SVG file that loads nothing.</summary>
internal sealed class SvgChart(SvgAxis x, SvgAxis y)
{
    private const int Width = 900, Height = 460, Left = 76, Right = 250, Top = 20, Bottom = 56, LegendStep = 18;

    // Okabe and Ito's colours, which the colour-blind can tell apart.
    private static readonly string[] Colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999"];

    private readonly StringBuilder marks = new();
    private readonly StringBuilder legend = new();
    private int series;

    /// <summary>Adds a line through points.</summary>
    public void Line(string name, IEnumerable<(double X, double Y)> points, bool dashed = false)
    {
        string colour = Next(name);
        string path = string.Join(' ', points.Select(point => Invariant($"{PlaceX(point.X):F1},{PlaceY(point.Y):F1}")));
        marks.Append($"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='2'{(dashed ? " stroke-dasharray='5 4'" : string.Empty)}/>\n");
    }

    /// <summary>Adds points, each with what a pointer resting on it shows.</summary>
    public void Points(string name, IEnumerable<(double X, double Y, string Title)> points, bool hollow = false)
    {
        string colour = Next(name);
        foreach (var (pointX, pointY, title) in points)
        {
            marks.Append(Invariant($"<circle cx='{PlaceX(pointX):F1}' cy='{PlaceY(pointY):F1}' r='3.5' stroke='{colour}' "));
            marks.Append($"fill='{(hollow ? "none" : colour)}'><title>{WebUtility.HtmlEncode(title)}</title></circle>\n");
        }
    }

    public override string ToString()
    {
        var svg = new StringBuilder();
        svg.Append(Invariant($"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {Width} {Height}' font-family='sans-serif' font-size='12'>\n"));
        svg.Append(Invariant($"<rect width='{Width}' height='{Height}' fill='#ffffff'/>\n"));
        foreach (var (value, label) in x.Ticks)
        {
            svg.Append(Invariant($"<line x1='{PlaceX(value):F1}' x2='{PlaceX(value):F1}' y1='{Top}' y2='{Height - Bottom}' stroke='#dddddd'/>"));
            svg.Append(Text(PlaceX(value), Height - Bottom + 18, label, "middle"));
        }

        foreach (var (value, label) in y.Ticks)
        {
            svg.Append(Invariant($"<line x1='{Left}' x2='{Width - Right}' y1='{PlaceY(value):F1}' y2='{PlaceY(value):F1}' stroke='#dddddd'/>"));
            svg.Append(Text(Left - 8, PlaceY(value) + 4, label, "end"));
        }

        svg.Append(Text((Left + Width - Right) / 2.0, Height - 12, x.Title, "middle"));
        int middle = (Top + Height - Bottom) / 2;
        svg.Append(Invariant($"<text transform='translate(16 {middle}) rotate(-90)' text-anchor='middle'>{WebUtility.HtmlEncode(y.Title)}</text>\n"));
        return svg.Append(marks).Append(legend).Append("</svg>\n").ToString();
    }

    private string Next(string name)
    {
        string colour = Colours[series % Colours.Length];
        int line = Top + 10 + LegendStep * series++;
        legend.Append(Invariant($"<rect x='{Width - Right + 14}' y='{line - 9}' width='10' height='10' fill='{colour}'/>"));
        legend.Append(Text(Width - Right + 30, line, name, "start"));
        return colour;
    }

    private static string Text(double x, double y, string text, string anchor)
        => Invariant($"<text x='{x:F1}' y='{y:F1}' text-anchor='{anchor}'>{WebUtility.HtmlEncode(text)}</text>\n");

    private double PlaceX(double value) => Left + x.Place(value) * (Width - Left - Right);

    private double PlaceY(double value) => Height - Bottom - y.Place(value) * (Height - Top - Bottom);

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
