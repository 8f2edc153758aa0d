namespace BlockQuant.Tool.Verification;

/// <summary>How far the values of one tensor are from those of another, gathered piece by piece.</summary>
internal sealed class ErrorStatistics
{
    /// <summary>Bins of <see cref="Histogram"/>: equal, then powers of two from 2⁻²⁴, the last for everything from 2¹ up.</summary>
    public const int Bins = 27;

    private const int FirstExponent = -24;
    private const int ChunkElements = 1 << 16;

    private double squaresOfA;
    private double squaresOfB;
    private double products;
    private double squaresOfDifference;

    /// <summary>Elements compared.</summary>
    public long Count { get; private set; }

    /// <summary>Elements that are NaN or infinite on one side and not the same on the other.</summary>
    public long NotFinite { get; private set; }

    /// <summary>max |a − b|.</summary>
    public double MaxError { get; private set; }

    /// <summary>Elements by |a − b| / |a|.</summary>
    public long[] Histogram { get; } = new long[Bins];

    /// <summary>‖a − b‖ / ‖a‖ (Frobenius); 0 if both are zero, +∞ if only a is.</summary>
    public double RelativeError => squaresOfDifference == 0 ? 0 : Math.Sqrt(squaresOfDifference / squaresOfA);

    /// <summary>a·b / (‖a‖ ‖b‖); 1 if both are zero, 0 if one is.</summary>
    public double Cosine =>
        squaresOfA == 0 && squaresOfB == 0 ? 1
        : squaresOfA == 0 || squaresOfB == 0 ? 0
        : Math.Clamp(products / (Math.Sqrt(squaresOfA) * Math.Sqrt(squaresOfB)), -1, 1);

    /// <summary>The lower end of a bin, as a power of two; null for the bin of equal elements.</summary>
    public static int? ExponentOf(int bin) => bin == 0 ? null : bin - 1 + FirstExponent;

    /// <summary>Compares a piece, on all cores; sums are added in the order of the elements, so the result does not depend on threads.</summary>
    public void Add(ReadOnlyMemory<float> a, ReadOnlyMemory<float> b)
    {
        var chunks = new ErrorStatistics[(a.Length + ChunkElements - 1) / ChunkElements];
        Parallel.For(0, chunks.Length, index =>
        {
            int start = index * ChunkElements;
            int length = Math.Min(ChunkElements, a.Length - start);
            var chunk = new ErrorStatistics();
            chunk.AddChunk(a.Span.Slice(start, length), b.Span.Slice(start, length));
            chunks[index] = chunk;
        });
        foreach (ErrorStatistics chunk in chunks)
        {
            Add(chunk);
        }
    }

    private void AddChunk(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        Count = a.Length;
        for (int i = 0; i < a.Length; i++)
        {
            double x = a[i];
            double y = b[i];
            if (!double.IsFinite(x) || !double.IsFinite(y))
            {
                bool same = x.Equals(y);
                NotFinite += same ? 0 : 1;
                Histogram[same ? 0 : Bins - 1]++;
                continue;
            }

            double difference = Math.Abs(x - y);
            squaresOfA += x * x;
            squaresOfB += y * y;
            products += x * y;
            squaresOfDifference += difference * difference;
            MaxError = Math.Max(MaxError, difference);
            Histogram[BinOf(difference, Math.Abs(x))]++;
        }
    }

    private void Add(ErrorStatistics other)
    {
        Count += other.Count;
        NotFinite += other.NotFinite;
        squaresOfA += other.squaresOfA;
        squaresOfB += other.squaresOfB;
        products += other.products;
        squaresOfDifference += other.squaresOfDifference;
        MaxError = Math.Max(MaxError, other.MaxError);
        for (int bin = 0; bin < Bins; bin++)
        {
            Histogram[bin] += other.Histogram[bin];
        }
    }

    private static int BinOf(double difference, double magnitude) =>
        difference == 0 ? 0
        : magnitude == 0 ? Bins - 1
        : Math.Clamp(Math.ILogB(difference / magnitude) - FirstExponent + 1, 1, Bins - 1);
}
