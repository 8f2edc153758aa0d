using System.IO.Enumeration;

namespace BlockQuant.Tool.Conversion;

/// <summary>Which weights are left as they are.</summary>
internal sealed class SkipRules(IEnumerable<string> patterns, bool withDefaults)
{
    /// <summary>Embeddings, the output head, norms and the routers of experts: small, and what a model is most sensitive to.</summary>
    public static readonly IReadOnlyList<string> Defaults = ["*embed*", "*lm_head*", "*norm*", "*.gate.weight", "*router*", "*shared_expert_gate*"];

    private readonly string[] patterns = [.. patterns, .. withDefaults ? Defaults : []];

    public IReadOnlyList<string> Patterns => patterns;

    /// <summary>Whether a tensor's name matches a pattern: <c>*</c> is any run of characters, <c>?</c> any one.</summary>
    public bool Matches(string name) => patterns.Any(pattern => FileSystemName.MatchesSimpleExpression(pattern, name, ignoreCase: false));
}
