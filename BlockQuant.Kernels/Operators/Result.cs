namespace BlockQuant;

/// <summary>What an operator of the matrix tier allocates for its result.</summary>
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

    /// <summary>Computes into the result and waits, for operators that free a workspace or inputs of their own when they return.</summary>
    public static TResult Finished<TResult>(ComputeDevice device, TResult result, Action<TResult> fill)
        where TResult : IDisposable
        => Filled(result, filled =>
        {
            fill(filled);
            device.Synchronize();
        });
}
