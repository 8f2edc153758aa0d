using ILGPU.Runtime;

namespace BlockQuant.Tests.Hardening;

/// <summary>One call of some operator with random operands, or one that must be refused, given by a number.</summary>
internal static class RandomCall
{
    /// <summary>One call in so many is a bad one.</summary>
    private const int BadShare = 8;

    private static readonly Action<CallScope>[][] Families = [.. DenseCalls.Families, .. ExpertCalls.Families, .. LoraCalls.Families];

    /// <summary>Makes the call of a number, frees what it used, and returns what stands for its result.</summary>
    public static string Run(ComputeDevice device, int number, AcceleratorStream? stream = null)
    {
        var random = new Random(number);
        using var scope = new CallScope(device, random, stream);
        if (random.Next(BadShare) == 0)
        {
            BadCalls.Refused(scope);
        }
        else
        {
            Action<CallScope>[] family = Families[random.Next(Families.Length)];
            family[random.Next(family.Length)](scope);
        }

        return scope.Digest();
    }
}
