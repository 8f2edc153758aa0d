using System.Text.Json;
using BlockQuant.Tool;
using BlockQuant.Tool.Output;

namespace BlockQuant.Tests.Tool;

/// <summary>One run of the tool in this process: its exit code and what it wrote.</summary>
internal sealed record ToolRun(int Code, string Output, string Error)
{
    public static ToolRun Of(params string[] arguments)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        int code = ToolProgram.Run(arguments, new ToolConsole(output, error));
        return new ToolRun(code, output.ToString(), error.ToString());
    }

    public JsonElement Json => JsonSerializer.Deserialize<JsonElement>(Output);

    public ToolRun ShouldSucceed()
    {
        Code.Should().Be(ExitCode.Success, Error);
        return this;
    }

    /// <summary>The run was refused with one line that holds the sentence.</summary>
    public void ShouldRefuse(string sentence)
    {
        Error.TrimEnd('\r', '\n').Should().StartWith("blockquant: ").And.Contain(sentence).And.NotContain("\n");
        Code.Should().Be(ExitCode.BadInput);
    }
}
