namespace BlockQuant.Storage;

/// <summary>A safetensors file is malformed, or does not hold what was asked of it. The message is one sentence that says what was found.</summary>
public sealed class SafetensorsException : IOException
{
    /// <summary>Creates the exception.</summary>
    public SafetensorsException(string message)
        : base(message)
    {
    }

    /// <summary>Creates the exception with the error that caused it.</summary>
    public SafetensorsException(string message, Exception cause)
        : base(message, cause)
    {
    }
}
