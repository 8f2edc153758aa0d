namespace BlockQuant.Tests;

/// <summary>The README's example is code that compiles and runs.</summary>
public sealed class ReadmeTests
{
    [Test]
    public void The_example_is_the_one_that_compiles()
    {
        string[] code = Resource("ReadmeExample.cs").Split('\n').Select(line => line.Trim()).ToArray();
        int begin = Array.IndexOf(code, "// readme-begin");
        int end = Array.IndexOf(code, "// readme-end");
        string example = string.Join('\n', code[(begin + 1)..end]);
        Normal(Resource("README.md")).Should().Contain(Normal(example));
    }

    [Test]
    public void The_example_runs()
    {
        var weight = new QuantizedMatrix(new byte[256 * 128], 128, 256, new float[2], QuantizationScheme.Fp8Block128);
        ReadmeExample.Run(new BFloat16[3 * 256], weight, 3).Should().HaveCount(3 * 128).And.OnlyContain(value => value.ToSingle() == 0f);
    }

    private static string Normal(string text) => string.Join('\n', text.Split('\n').Select(line => line.Trim()));

    private static string Resource(string name)
    {
        using Stream stream = typeof(ReadmeTests).Assembly.GetManifestResourceStream(name)!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
