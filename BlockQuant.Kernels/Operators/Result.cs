namespace BlockQuant;

/// <summary>A matrix that an operator of the matrix tier allocates for its result.</summary>
internal static class Result
{
    /// <summary>Computes into the result; where that throws, the result is freed.</summary>
    public static TResult Filled<TResult>(TResult result, Action<TResult> fill)
        where TResult : IDisposable
    {
        try
        {
            fill(result);
            return result;
        }
        catch
        {
            result.Dispose();
            throw;
        }
    }
}
