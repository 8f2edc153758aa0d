using System.Text.RegularExpressions;
using System.Xml.Linq;
#if EMULATOR
using BlockQuant.Emulator;
#endif
using BlockQuant.Kernels.Cuda;
using BlockQuant.Scheduling;
using BlockQuant.Storage;

namespace BlockQuant.Tests;

/// <summary>Every line of docs/errors.md is an error that happens, with the message that it says, and no error is without a line.</summary>
[Category(SourceTree.Category)]
public sealed partial class ErrorTableTests
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
        yield return Case<ArgumentException>("memory of another device", () =>
        {
            using ComputeDevice other = TestDevice.OpenOther();
            using var x = new DeviceMatrix<float>(other, 4, 128);
            Device.Fp8.Quantize(x, QuantizationScheme.Fp8TokenGroup128);
        });
        yield return Case<ArgumentException>("a stream of another device", () =>
        {
            using ComputeDevice other = TestDevice.OpenOther();
            using DeviceBuffer<int> x = Device.Allocate<int>(1);
            x.CopyFrom([1], other.DefaultStream);
        });
        yield return Case<ArgumentException>("a tile plan", () => Device.Fp8.Plan(4, 8, 128, new TilePlanOverrides { TileM = 7 }));
        yield return Case<ArgumentException>("tuned plans", () => Device.Plans = new TunedPlans("another device"));
        yield return Case<ArgumentException>("an expert", () => Device.Routing.Route([0, 1, 5, 2], topK: 2, experts: 3));
        yield return Case<ArgumentException>("an adapter", () => new AdapterMap(Device, [0, 3], adapters: 2));
        yield return Case<ArgumentNullException>("null", () => Device.Upload<Float8E4M3>((QuantizedMatrix)null!));
        yield return Case<ArgumentOutOfRangeException>("a negative length", () => Device.Allocate<byte>(-1));
        yield return Case<ObjectDisposedException>("a disposed operand", () =>
        {
            var x = new DeviceMatrix<float>(Device, 4, 128);
            x.Dispose();
            Device.Fp8.Quantize(x, QuantizationScheme.Fp8TokenGroup128);
        });
        yield return Case<DeviceUnavailableException>("a device", () => ComputeDevice.Create(DeviceKind.Cpu, 7));
        yield return Case<DeviceOutOfMemoryException>("memory", () => Device.Allocate<byte>(1L << 50));
        yield return Case<KernelUnavailableException>("a kernel", () => EmbeddedPtx.Read("NoKernel"));
#if EMULATOR
        yield return Case<EmulatorFaultException>("a fault", () => _ = new EmulatorAccelerator().Allocate(16).AsArrayView<int>(0, 4)[4]);
        yield return Case<EmulatorOutOfMemoryException>("the emulator's memory", () => new EmulatorAccelerator(new EmulatorOptions { MemoryLimit = 40 }).Allocate(50));
#endif
        yield return Case<SafetensorsException>("a file", () => OpenFile([0xE8, 3, 0, 0, 0, 0, 0, 0, (byte)'{', (byte)'}']));
        yield return Case<SafetensorsException>("a tensor", () => OpenFile(Empty).Get("model.norm.weight"));
        yield return Case<IOException>("no file", () => SafetensorsFile.Open("missing.safetensors"));
        yield return Case<InvalidDataException>("a plan", () =>
        {
            using var folder = new TemporaryFolder();
            const string Plan = """{ "tileM": 0, "tileN": 0, "tileK": 0, "groupM": 0, "stages": 0 }""";
            File.WriteAllText(folder.File("plans.json"), $$"""{ "{{Device.Name}}": [{ "m": 1, "n": 1, "k": 1, "plan": {{Plan}} }] }""");
            TunedPlans.Load(folder.File("plans.json"), Device.Name);
        });
        yield return Case<InvalidOperationException>("an unwritten tensor", () =>
        {
            using var folder = new TemporaryFolder();
            using var writer = new SafetensorsWriter(folder.File("model.safetensors"), [new TensorDeclaration("x", SafetensorsDType.Float32, 1)]);
            writer.Complete();
        });
        yield return Case<NotSupportedException>("a handle", () =>
        {
            using ComputeDevice host = ComputeDevice.Create(DeviceKind.Cpu);
            host.CudaStreamHandle();
        });
        yield return Case<NotSupportedException>("a type", () => SafetensorsTensor.From<Guid>("x", [], 0));
    }

    [TestCaseSource(nameof(Errors))]
    public void An_error_is_the_one_of_the_document(Type type, Action action)
    {
        Exception error = action.Should().Throw<Exception>().Which;

        error.Should().BeAssignableTo(type);
        Rows().Should().Contain(row => row.Type == type.Name && row.Message == $"`{Stable(error)}`", "docs/errors.md should say: {0}", Stable(error));
    }

    [Test]
    public void The_document_has_no_message_that_is_not_provoked()
    {
        IEnumerable<string> provoked = Errors().Select(error => $"`{Stable(((Action)error.Arguments[1]!).Should().Throw<Exception>().Which)}`");

        Rows().Where(row => IsHere(row.Type) && row.Message.StartsWith('`')).Select(row => row.Message).Should().BeEquivalentTo(provoked);
    }

    [Test]
    public void Every_exception_that_is_public_or_documented_has_a_line()
    {
        IEnumerable<string> types = Assemblies.SelectMany(assembly => assembly.GetExportedTypes()).Where(type => type.IsSubclassOf(typeof(Exception))).Select(type => type.Name);
        IEnumerable<string> documented = Assemblies[..2]
            .SelectMany(assembly => XDocument.Load(Path.ChangeExtension(assembly.Location, ".xml")).Descendants("exception"))
            .Select(element => element.Attribute("cref")!.Value.Split('.')[^1]);

        Rows().Select(row => row.Type).Where(IsHere).Distinct().Should().Contain(types.Concat(documented).Distinct());
        types.Should().Contain(nameof(CudaException));
        documented.Should().Contain(nameof(ArgumentException));
    }

    private static System.Reflection.Assembly[] Assemblies =>
    [
        typeof(QuantizationScheme).Assembly,
        typeof(ComputeDevice).Assembly,
#if EMULATOR
        typeof(EmulatorAccelerator).Assembly,
#endif
    ];

    private static ReadOnlySpan<byte> Empty => [2, 0, 0, 0, 0, 0, 0, 0, (byte)'{', (byte)'}'];

    private static IEnumerable<(string Type, string Message)> Rows()
        => File.ReadAllLines(SourceTree.PathOf("docs", "errors.md")).Where(line => line.StartsWith("| `", StringComparison.Ordinal)).Select(line => line.Split(" | "))
            .Select(cells => (cells[0].Trim('|', ' ', '`'), cells[^1][..^2]));

    /// <summary>Whether this build can throw the exception: the emulator's own are those of the emulator host.</summary>
    private static bool IsHere(string exception)
    {
#if EMULATOR
        return exception.Length > 0;
#else
        return !exception.StartsWith("Emulator", StringComparison.Ordinal);
#endif
    }

    private static TestCaseData Case<TException>(string what, Action action) => new TestCaseData(typeof(TException), action).SetArgDisplayNames(what);

    /// <summary>The message without what differs from machine to machine: names of devices and files, and sizes of memory.</summary>
    private static string Stable(Exception error)
    {
        string message = error.Message.ReplaceLineEndings("\n").Split(" (Parameter ")[0].Split("\nObject name:")[0].Replace(Device.Name, "DEVICE");
        return Total().Replace(PathOfFile().Replace(message, "FILE"), "of TOTAL in all");
    }

    [GeneratedRegex(@"[^\s']+\.(safetensors|json)")]
    private static partial Regex PathOfFile();

    [GeneratedRegex(@"of \d+ in all")]
    private static partial Regex Total();

    private static QuantizedDeviceMatrix<Float8E4M3> Quantized(long rows, long columns) => new(Device, rows, columns, QuantizationScheme.Fp8TokenGroup128);

    private static SafetensorsFile OpenFile(ReadOnlySpan<byte> bytes)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder.File("model.safetensors"), bytes);
        using SafetensorsFile file = SafetensorsFile.Open(folder.File("model.safetensors"));
        return file;
    }
}
