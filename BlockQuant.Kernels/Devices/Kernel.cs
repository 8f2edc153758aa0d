using System.Reflection;

namespace BlockQuant.Kernels;

/// <summary>One kernel specialization: its identity in launch caches, its name in faults, and its code.</summary>
internal abstract class Kernel
{
    private static int count;

    private protected Kernel(string name)
    {
        Name = name;
        Id = Interlocked.Increment(ref count) - 1;
    }

    public string Name { get; }

    /// <summary>A small number, dense over all kernels of the process, so that a device finds its launcher by index.</summary>
    public int Id { get; }

    /// <summary>The static method that every lane runs.</summary>
    public abstract MethodInfo Code { get; }

    public override string ToString() => Name;
}

/// <summary>A kernel that takes its arguments as one struct.</summary>
internal sealed class Kernel<TArguments>(string name, Action<TArguments> method) : Kernel(name)
    where TArguments : struct, IKernelArguments
{
    public Action<TArguments> Method { get; } = method;

    public override MethodInfo Code => Method.Method;
}

/// <summary>How many groups run, and how many lanes each has.</summary>
internal readonly record struct LaunchShape(int Groups, int Lanes, int GroupsY = 1);
