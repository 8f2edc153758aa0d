using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using BlockQuant.Reference;
using BlockQuant.Storage;

namespace BlockQuant.Tests.Tool;

/// <summary>
/// Files exchanged with another implementation of the format. Interop/check_safetensors.py loads the files written here with
/// the Python library, and writes files with it whose checksums these tests compare.
/// </summary>
public sealed class InteropTests
{
    private const string ToolFile = "tool-fp8.safetensors";

    private static string InteropFolder => Path.Combine(AppContext.BaseDirectory, "Interop");

    public static IEnumerable<string> Files() => Directory.GetFiles(InteropFolder, "*.safetensors").Select(path => Path.GetFileName(path)!).Order();

    [TestCaseSource(nameof(Files))]
    public void EveryTensorOfACommittedFileHasItsChecksum(string name)
    {
        string path = Path.Combine(InteropFolder, name);
        JsonElement expected = JsonSerializer.Deserialize<JsonElement>(File.ReadAllText(Path.ChangeExtension(path, ".checksums.json")));

        using var found = Checkpoint.Open(path);

        found.Tensors.Select(tensor => tensor.Name).Should().BeEquivalentTo(expected.EnumerateObject().Select(tensor => tensor.Name));
        foreach (TensorInfo tensor in found.Tensors)
        {
            JsonElement entry = expected.GetProperty(tensor.Name);
            var bytes = new byte[tensor.ByteLength];
            found.CopyTo(tensor.Name, bytes);
            tensor.DType.Should().NotBe(SafetensorsDType.Unknown);
            tensor.DTypeName.Should().Be(entry.GetProperty("dtype").GetString());
            tensor.Shape.Should().Equal(entry.GetProperty("shape").EnumerateArray().Select(extent => extent.GetInt64()));
            Convert.ToHexStringLower(SHA256.HashData(bytes)).Should().Be(entry.GetProperty("sha256").GetString());
        }
    }

    [Test]
    public void TheToolStillWritesTheCommittedFile()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder.File("in.safetensors"), RawTensor.File(Source()));

        ToolRun.Of("quantize", folder.File("in.safetensors"), folder.File("out.safetensors")).ShouldSucceed();

        File.ReadAllBytes(folder.File("out.safetensors")).Should().Equal(File.ReadAllBytes(Path.Combine(InteropFolder, ToolFile)));
    }

    [Test]
    public void AFileOfTheSpecificationsOwnFormIsReadAndQuantized()
    {
        // By the specification: a little-endian length, JSON padded with spaces, then the data, offsets counted from there.
        // The dtype comes last and the tensors stand in another order than their data, as both may.
        byte[] header = Encoding.ASCII.GetBytes(
            """{"b.weight":{"shape":[1,2],"data_offsets":[4,8],"dtype":"BF16"},"__metadata__":{"k":"v"},"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}}   """);
        byte[] file =
        [
            (byte)header.Length, 0, 0, 0, 0, 0, 0, 0,
            .. header,
            0x00, 0x3C, 0x00, 0xC0, // 1, -2 as binary16
            0x80, 0x3F, 0xC0, 0xBF, // 1, -1.5 as bfloat16
        ];
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder.File("in.safetensors"), file);

        ToolRun.Of("quantize", folder.File("in.safetensors"), folder.File("out.safetensors")).ShouldSucceed();

        QuantizedMatrix expected = ReferenceOperators.QuantizeFp8([1f, -1.5f], 1, 2, QuantizationScheme.Fp8Block128);
        using SafetensorsFile output = SafetensorsFile.Open(folder.File("out.safetensors"));
        output.Read<Half>("a").Should().Equal((Half)1, (Half)(-2));
        output.Read<byte>("b.weight").Should().Equal(expected.Codes.ToArray());
        output.Read<float>("b.weight_scale_inv").Should().Equal(expected.Scales.ToArray());
        output.Metadata.Should().Equal(new Dictionary<string, string> { ["k"] = "v" });

        // The order that the Python library writes and the first byte of data at a multiple of eight.
        byte[] written = File.ReadAllBytes(folder.File("out.safetensors"));
        (BitConverter.ToInt64(written) % 8).Should().Be(0);
        written[8].Should().Be((byte)'{');
    }

    private static RawTensor[] Source()
    {
        var random = new Random(20261121);
        BFloat16[] weight = new BFloat16[200 * 300];
        for (int i = 0; i < weight.Length; i++)
        {
            weight[i] = BFloat16.FromBits((ushort)(random.Next(0x3800, 0x4000) | (random.Next(2) << 15)));
        }

        return
        [
            RawTensor.Of<BFloat16>("model.layers.0.proj.weight", "BF16", weight, 200, 300),
            RawTensor.Of<BFloat16>("model.norm.weight", "BF16", weight.AsSpan(0, 300), 300),
            RawTensor.Of<long>("count", "I64", [7]),
            RawTensor.Of<float>("näme \"quoted\"", "F32", [1, float.NaN, float.NegativeInfinity], 3),
        ];
    }
}
