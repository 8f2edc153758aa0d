using System.Reflection;
using System.Text.RegularExpressions;

namespace BlockQuant.Kernels.Cuda;

/// <summary>The PTX that the assembly carries, one text for each kernel, generated from the kernels' C# by <c>generate-ptx</c>.</summary>
internal static partial class EmbeddedPtx
{
    /// <summary>The name of a kernel's PTX entry and text: its own, as PTX and file systems allow it.</summary>
    public static string EntryOf(string kernelName) => Punctuation().Replace(kernelName, "_").TrimEnd('_');

    /// <summary>The text of one entry.</summary>
    /// <exception cref="KernelUnavailableException">There is none.</exception>
    public static string Read(string entry)
    {
        using Stream stream = Assembly.GetExecutingAssembly().GetManifestResourceStream($"BlockQuant.Ptx.{entry}.ptx")
            ?? throw new KernelUnavailableException(entry);
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }

    [GeneratedRegex(@"\W+")]
    private static partial Regex Punctuation();
}
