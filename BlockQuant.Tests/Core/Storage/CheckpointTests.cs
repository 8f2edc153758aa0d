using System.Text.Json;
using BlockQuant.Storage;

namespace BlockQuant.Tests.Core.Storage;

/// <summary>Tensors of many files, found by name and read through buffers.</summary>
[TestFixture]
public class CheckpointTests
{
    private TemporaryFolder folder = null!;

    [SetUp]
    public void CreateFolder()
    {
        folder = new TemporaryFolder();
        SafetensorsWriter.Save(folder.File("a.safetensors"), [SafetensorsTensor.From("w", new Float8E4M3[4], 2, 2), SafetensorsTensor.From("x", [1, 2, 3], 3)]);
        SafetensorsWriter.Save(folder.File("b.safetensors"), [SafetensorsTensor.From("w_scale_inv", [2.5f], 1, 1), SafetensorsTensor.From("unscaled", new sbyte[2], 1, 2)]);
        string index = JsonSerializer.Serialize(new
        {
            weight_map = new Dictionary<string, string>
            {
                ["w"] = "a.safetensors",
                ["x"] = "a.safetensors",
                ["w_scale_inv"] = "b.safetensors",
            },
        });
        File.WriteAllText(folder.File("model.safetensors.index.json"), index);
    }

    [TearDown]
    public void DeleteFolder() => folder.Dispose();

    [Test]
    public void TensorsOfAllFilesAreFoundByName()
    {
        using var checkpoint = Checkpoint.Open(folder.File("."));

        checkpoint.Shards.Select(shard => shard.Name).Should().Equal("a.safetensors", "b.safetensors");
        checkpoint.Tensors.Select(tensor => tensor.Name).Should().Equal("x", "w", "w_scale_inv", "unscaled");
        checkpoint.Read<int>("x").Should().Equal(1, 2, 3);
        var piece = new byte[4];
        checkpoint.CopyTo("x", piece, 4);
        piece.Should().Equal(2, 0, 0, 0);
        checkpoint.TryGet("absent", out _).Should().BeFalse();
        Action absent = () => checkpoint.Get("absent");
        absent.Should().Throw<SafetensorsException>().WithMessage("*has no tensor 'absent'.");
        Action wrongType = () => checkpoint.Read<float>("x");
        wrongType.Should().Throw<SafetensorsException>().WithMessage("*another element type than the expected F32.");
    }

    [Test]
    public void AWeightAndItsScalesNeedNotBeInOneFile()
    {
        using var checkpoint = Checkpoint.Open(folder.File("."));

        QuantizedMatrix matrix = QuantizedMatrix.FromCheckpoint(checkpoint, "w");

        matrix.Scheme.Should().Be(QuantizationScheme.Fp8Block128);
        matrix.Scales.ToArray().Should().Equal(2.5f);
        checkpoint.SchemeOf(checkpoint.Get("w")).Should().Be(QuantizationScheme.Fp8Block128);
        checkpoint.SchemeOf(checkpoint.Get("unscaled")).Should().BeNull();
        checkpoint.SchemeOf(checkpoint.Get("x")).Should().BeNull();
    }

    [TestCase(-1L, 4)]
    [TestCase(10L, 4)]
    [TestCase(0L, 13)]
    [TestCase(long.MaxValue, 1)]
    public void APieceBeyondTheTensorIsRefused(long offset, int length)
    {
        using var checkpoint = Checkpoint.Open(folder.File("."));

        Action copy = () => checkpoint.CopyTo("x", new byte[length], offset);

        copy.Should().Throw<ArgumentOutOfRangeException>();
    }

    [Test]
    public void AFileThatShrinksWhileItIsOpenIsReported()
    {
        using var checkpoint = Checkpoint.Open(folder.File("a.safetensors"));
        using (FileStream stream = new(folder.File("a.safetensors"), FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
        {
            stream.SetLength(stream.Length - 6);
        }

        Action read = () => checkpoint.Read<Float8E4M3>("w");

        read.Should().Throw<SafetensorsException>().WithMessage("*the file ends at byte*");
    }

    [Test]
    public void ADisposedCheckpointRefusesToRead()
    {
        var checkpoint = Checkpoint.Open(folder.File("."));
        checkpoint.Dispose();
        checkpoint.Dispose();

        Action read = () => checkpoint.Read<int>("x");

        read.Should().Throw<ObjectDisposedException>();
    }

    [Test]
    public void PiecesAreWrittenInAnyOrderAndUnknownTypesAreCopied()
    {
        string source = folder.File("odd.safetensors");
        byte[] header = """{"t":{"dtype":"F4","shape":[6],"data_offsets":[0,3]}}"""u8.ToArray();
        File.WriteAllBytes(source, [.. BitConverter.GetBytes((long)header.Length), .. header, 7, 8, 9]);
        using var odd = Checkpoint.Open(source);
        var declaration = TensorDeclaration.CopyOf(odd.Get("t"));
        using (var writer = new SafetensorsWriter(folder.File("copy.safetensors"), [declaration, new("n", SafetensorsDType.Int16, 2)]))
        {
            writer.Write<short>("n", 2, [5]);
            writer.Write<byte>("t", 1, [8, 9]);
            writer.Write<short>("n", 0, [4]);
            writer.Write<byte>("t", 0, [7]);
            Action beyond = () => writer.Write<short>("n", 3, [1]);
            beyond.Should().Throw<ArgumentException>().WithMessage("tensor 'n' has room for 1 more bytes; the piece has 2.*");
            writer.Complete();
        }

        using var copy = Checkpoint.Open(folder.File("copy.safetensors"));
        copy.Read<short>("n").Should().Equal(4, 5);
        copy.Get("t").ToString().Should().Be("'t' F4 [6]");
        var bytes = new byte[3];
        copy.CopyTo("t", bytes);
        bytes.Should().Equal(7, 8, 9);
    }
}
