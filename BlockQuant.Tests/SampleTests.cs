using System.Reflection;

namespace BlockQuant.Tests;

/// <summary>Every sample runs and finds its own result right.</summary>
public sealed class SampleTests
{
    [TestCase("QuickStart", "relative error vs reference")]
    [TestCase("MoeLayer", "through 2 of 8 experts")]
    [TestCase("LoraServing", "3 slices of rank 16")]
    [TestCase("CustomAccelerator", "relative error")]
    [TestCase("CudaGraphDecode", "captured: ")]
    public void A_sample_finds_its_result_right(string name, string says)
    {
        TextWriter console = Console.Out;
        using var output = new StringWriter();
        Console.SetOut(output);
        object? exitCode;
        try
        {
            exitCode = Assembly.Load(name).EntryPoint!.Invoke(null, [Array.Empty<string>()]);
        }
        finally
        {
            Console.SetOut(console);
        }

        exitCode.Should().Be(0, output.ToString());
        output.ToString().Should().Contain(says);
    }
}
