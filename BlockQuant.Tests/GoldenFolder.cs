using System.Text.RegularExpressions;
using BlockQuant.Storage;

namespace BlockQuant.Tests;

/// <summary>
/// The folder of golden files: the one named by BLOCKQUANT_GOLDEN, else the copy beside the tests. Tests run whatever
/// cases of the documented key layout they find, so another set of files needs no change of code.
/// </summary>
public static class GoldenFolder
{
    public const string Variable = "BLOCKQUANT_GOLDEN";

    public static string Path =>
        Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } folder
            ? folder
            : System.IO.Path.Combine(AppContext.BaseDirectory, "Golden");

    public static SafetensorsFile Open(string name)
    {
        string file = System.IO.Path.Combine(Path, name + ".safetensors");
        Assert.That(File.Exists(file), $"golden file {file} does not exist; {Variable} names the folder to look in.");
        return SafetensorsFile.Open(file);
    }

    /// <summary>The prefixes of the cases in a file, for example case0 and case1 for "case"; at least one.</summary>
    public static IReadOnlyList<string> Cases(SafetensorsFile file, string kind)
    {
        var pattern = new Regex($@"^{Regex.Escape(kind)}(\d+)(?=\.)");
        string[] cases =
        [
            .. file.Tensors
                .Select(tensor => pattern.Match(tensor.Name))
                .Where(match => match.Success)
                .DistinctBy(match => match.Value)
                .OrderBy(match => int.Parse(match.Groups[1].Value))
                .Select(match => match.Value),
        ];
        Assert.That(cases, Is.Not.Empty, $"golden file {file.Path} has no tensor named {kind}N.…");
        return cases;
    }

    /// <summary>A tensor of any float type, widened.</summary>
    public static float[] ReadSingle(this SafetensorsFile file, string name) => file.Get(name).DType switch
    {
        SafetensorsDType.Float32 => file.Read<float>(name),
        SafetensorsDType.BFloat16 => Array.ConvertAll(file.Read<BFloat16>(name), value => value.ToSingle()),
        SafetensorsDType.Float16 => Array.ConvertAll(file.Read<Half>(name), value => (float)value),
        SafetensorsDType.Float8E4M3 => Array.ConvertAll(file.Read<Float8E4M3>(name), value => value.ToSingle()),
        _ => throw new SafetensorsException($"golden tensor {file.Get(name)} is not of a float type."),
    };
}
