namespace BlockQuant;

/// <summary>How much of a matrix shares one scale.</summary>
public enum ScaleGranularity
{
    /// <summary>The whole matrix; scales [1, 1].</summary>
    Tensor,

    /// <summary>One row of a weight (an output channel); scales [rows, 1].</summary>
    Channel,

    /// <summary>One row of activations (a token); scales [rows, 1].</summary>
    Token,

    /// <summary>A run of one token's elements, 128 in DeepSeek's layout; scales [rows, ⌈columns / 128⌉].</summary>
    TokenGroup,

    /// <summary>A block of a weight, 128×128 in DeepSeek's layout; scales [⌈rows / 128⌉, ⌈columns / 128⌉].</summary>
    Block,
}
