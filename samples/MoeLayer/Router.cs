namespace BlockQuant.Samples;

/// <summary>Which experts a token goes to: the largest of its logits, their shares the softmax over those.</summary>
internal static class Router
{
    public static (int[] Ids, float[] Shares) Choose(float[] x, float[] weight, int tokens, int experts, int topK)
    {
        int hidden = x.Length / tokens;
        var ids = new int[tokens * topK];
        var shares = new float[tokens * topK];
        for (int token = 0; token < tokens; token++)
        {
            ReadOnlyMemory<float> row = x.AsMemory(token * hidden, hidden);
            (int Expert, float Logit)[] chosen = Enumerable.Range(0, experts)
                .Select(expert => (expert, Dot(row.Span, weight.AsSpan(expert * hidden, hidden))))
                .OrderByDescending(one => one.Item2)
                .Take(topK)
                .ToArray();
            float sum = chosen.Sum(one => MathF.Exp(one.Logit - chosen[0].Logit));
            for (int slot = 0; slot < topK; slot++)
            {
                ids[token * topK + slot] = chosen[slot].Expert;
                shares[token * topK + slot] = MathF.Exp(chosen[slot].Logit - chosen[0].Logit) / sum;
            }
        }

        return (ids, shares);
    }

    private static float Dot(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        float sum = 0;
        for (int i = 0; i < a.Length; i++)
        {
            sum += a[i] * b[i];
        }

        return sum;
    }
}
