using BlockQuant.Storage;

namespace BlockQuant.Tool.Verification;

/// <summary>What <c>verify</c> found of one tensor.</summary>
/// <param name="Name">The tensor.</param>
/// <param name="A">The tensor in A, or null if it is only in B.</param>
/// <param name="B">The tensor in B, or null if it is only in A.</param>
internal sealed record TensorComparison(string Name, TensorInfo? A, TensorInfo? B)
{
    /// <summary>The differences of the values; null where they are not comparable numbers.</summary>
    public ErrorStatistics? Error { get; init; }

    /// <summary>The codes of the side that is quantized, B's if both are.</summary>
    public CodeStatistics? Codes { get; init; }

    /// <summary>Whether the bytes are the same, where there is no <see cref="Error"/>.</summary>
    public bool IsIdentical { get; init; }

    /// <summary>Why the tensor is beyond the bounds, or null if it is not.</summary>
    public string? Difference(ComparisonBounds bounds)
    {
        if (A is null || B is null)
        {
            return A is null ? "only in B" : "only in A";
        }

        if (!A.Shape.AsSpan().SequenceEqual(B.Shape))
        {
            return "shapes differ";
        }

        if (Error is null)
        {
            return IsIdentical ? null : "bytes differ";
        }

        return Error.NotFinite > 0 ? $"{Error.NotFinite} elements are NaN or infinite in one"
            : Error.RelativeError > bounds.RelativeError ? $"relative error above {bounds.RelativeError}"
            : Error.Cosine < bounds.Cosine ? $"cosine below {bounds.Cosine}"
            : null;
    }
}

/// <summary>How far two tensors may be apart.</summary>
/// <param name="RelativeError">The largest ‖a − b‖ / ‖a‖.</param>
/// <param name="Cosine">The smallest a·b / (‖a‖ ‖b‖).</param>
internal sealed record ComparisonBounds(double RelativeError, double Cosine);
