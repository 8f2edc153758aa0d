using BlockQuant.Kernels.Portable;

namespace BlockQuant.Kernels.Host;

/// <summary>The tokens of each entry of an adapter map, read as <see cref="LoraMapArguments"/> reads it on a device.</summary>
internal readonly struct AdapterTokens
{
    public AdapterTokens(in LoraMapArguments map)
    {
        for (long entry = 0; entry < map.Counts.Length; entry++)
        {
            long count = Math.Clamp(map.Counts[entry], 0, map.SortedTokens.Length);
            var tokens = new List<int>((int)count);
            for (long i = 0; i < count; i++)
            {
                int token = map.Token(map.Starts[entry] + i);
                if (token >= 0)
                {
                    tokens.Add(token);
                }
            }

            if (tokens.Count > 0)
            {
                int adapter = map.AdapterIds[entry];
                Groups.Add(new Group(adapter < map.Adapters ? adapter : -1, [.. tokens]));
            }
        }
    }

    public List<Group> Groups { get; } = [];

    /// <summary>The tokens of one adapter; it is below 0 for tokens without one.</summary>
    internal readonly record struct Group(long Adapter, int[] Tokens);
}
