using BlockQuant.Scheduling;
using BlockQuant.Storage;

namespace BlockQuant.Tests;

/// <summary>Every line of docs/errors.md is an error that happens, with the message that it says.</summary>
[Category(SourceTree.Category)]
public sealed class ErrorTableTests
{
    private static readonly ComputeDevice Device = TestDevice.Shared;

    private static IEnumerable<TestCaseData> Errors()
    {
        yield return Case<ArgumentException>("a shape", () =>
        {
            using var activations = Quantized(4, 128);
            using var weights = Quantized(8, 64);
            Device.Fp8.Multiply<BFloat16>(activations, weights);
        });
        yield return Case<ArgumentException>("a scheme", () =>
        {
            using var x = new DeviceMatrix<float>(Device, 4, 128);
            Device.Fp8.Quantize(x, QuantizationScheme.Int8TokenGroup128);
        });
        yield return Case<ArgumentException>("a length", () => Device.Upload<float>(new float[7], 2, 4));
        yield return Case<ArgumentException>("overlap", () =>
        {
            using var table = new ExpertRoutingTable(Device, 4, 2, 3);
            Device.Routing.Route(table.View.SlotRows, table.View, table.Workspace.View);
        });
        yield return Case<ArgumentException>("a tile plan", () => Device.Fp8.Plan(4, 8, 128, new TilePlanOverrides { TileM = 7 }));
        yield return Case<ArgumentException>("an expert", () => Device.Routing.Route([0, 1, 5, 2], topK: 2, experts: 3));
        yield return Case<ArgumentException>("an adapter", () => new AdapterMap(Device, [0, 3], adapters: 2));
        yield return Case<ObjectDisposedException>("a disposed operand", () =>
        {
            var x = new DeviceMatrix<float>(Device, 4, 128);
            x.Dispose();
            Device.Fp8.Quantize(x, QuantizationScheme.Fp8TokenGroup128);
        });
        yield return Case<DeviceUnavailableException>("a device", () => ComputeDevice.Create(DeviceKind.Cpu, 7));
        yield return Case<DeviceOutOfMemoryException>("memory", () => Device.Allocate<byte>(1L << 50));
        yield return Case<SafetensorsException>("a file", () => OpenFile([0xE8, 3, 0, 0, 0, 0, 0, 0, (byte)'{', (byte)'}']));
        yield return Case<SafetensorsException>("a tensor", () => OpenFile([2, 0, 0, 0, 0, 0, 0, 0, (byte)'{', (byte)'}']).Get("model.norm.weight"));
    }

    [TestCaseSource(nameof(Errors))]
    public void An_error_is_the_one_of_the_document(Type type, Action action)
    {
        Exception error = action.Should().Throw<Exception>().Which;

        error.Should().BeOfType(type);
        string message = Stable(error);
        File.ReadAllLines(SourceTree.PathOf("docs", "errors.md")).Should().Contain(
            line => line.StartsWith($"| `{type.Name}` |", StringComparison.Ordinal) && line.Contains($"`{message}`", StringComparison.Ordinal),
            "docs/errors.md should say: {0}",
            message);
    }

    private static TestCaseData Case<TException>(string what, Action action) => new TestCaseData(typeof(TException), action).SetArgDisplayNames(what);

    /// <summary>The message without what differs from machine to machine: names of devices and files, and sizes of memory.</summary>
    private static string Stable(Exception error)
    {
        string message = error.Message.ReplaceLineEndings("\n").Split(" (Parameter ")[0].Split("\nObject name:")[0].Replace(Device.Name, "DEVICE");
        message = System.Text.RegularExpressions.Regex.Replace(message, @"\S+\.safetensors", "FILE");
        return System.Text.RegularExpressions.Regex.Replace(message, @"of \d+ in all", "of TOTAL in all");
    }

    private static QuantizedDeviceMatrix<Float8E4M3> Quantized(long rows, long columns) => new(Device, rows, columns, QuantizationScheme.Fp8TokenGroup128);

    private static SafetensorsFile OpenFile(byte[] bytes)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder.File("model.safetensors"), bytes);
        using SafetensorsFile file = SafetensorsFile.Open(folder.File("model.safetensors"));
        return file;
    }
}
